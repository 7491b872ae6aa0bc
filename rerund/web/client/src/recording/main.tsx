import { render } from "preact";
import "../theme.css";
import "./recording.css";
import { readPlace } from "./layout";
import { name } from "./model";
import { Page } from "./page";

document.title = `${name.recording} · ${name.application} · rerund`;
readPlace();
render(<Page />, document.getElementById("page")!);
