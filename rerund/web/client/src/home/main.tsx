import { render } from "preact";
import "../theme.css";
import "./home.css";
import { askWhatIsAllowed } from "./actions";
import { Home } from "./home";
import { watchStatus } from "../status";

watchStatus();
void askWhatIsAllowed();
render(<Home />, document.getElementById("page")!);
