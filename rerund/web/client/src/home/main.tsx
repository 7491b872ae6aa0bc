import { render } from "preact";
import "../theme.css";
import "./home.css";
import { Home } from "./home";
import { watchStatus } from "../status";

watchStatus();
render(<Home />, document.getElementById("page")!);
