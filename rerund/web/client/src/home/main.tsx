import "../theme.css";
import { render } from "preact";
render(<p>rerund</p>, document.getElementById("page")!);
