/** The first page: what the daemon has, who logs, who looks. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { ago, bytes, clock, count, delay, duration } from "../format";
import { toPath } from "../names";
import { stateText } from "../socket";
import { connection, keyOf, rates, status, type Producer, type Recording, type Status } from "../status";
import { ThemeSwitch } from "../theme";
import { ActionButton, permission } from "./actions";

const LATE_SECS = 1; // rows that take longer are worth a look
const SEARCH_FROM = 8; // recordings; fewer are seen at a glance

export function Home() {
  const told = status.value;
  const trouble = stateText(connection.value, "");
  return (
    <>
      <header class="bar">
        <a href="/" aria-current="page">rerund</a>
        {told && <Daemon told={told} />}
        <span class="right" />
        <ThemeSwitch />
      </header>
      {trouble && <p class="banner" role="status" data-state={connection.value}>{trouble}</p>}
      <main class={connection.value === "open" ? "home" : "home stale"}>
        {told && <Recordings recordings={told.recordings} />}
        {told && told.producers.length > 0 && <Producers told={told} />}
        {told && <Viewers told={told} />}
        {told && told.sinks.length > 0 && <Files told={told} />}
        {told && <Disk told={told} />}
      </main>
    </>
  );
}

function Daemon({ told }: { told: Status }) {
  return (
    <span class="quiet">
      {told.version}
      {told.instance && ` · ${told.instance}`} · pid {told.pid} · up {duration(Date.now() / 1000 - told.started)}
    </span>
  );
}

function Recordings({ recordings }: { recordings: Recording[] }) {
  const wanted = useSignal("");
  if (recordings.length === 0) return <Nothing />;
  const shown = recordings
    .filter((each) => keyOf(each).toLowerCase().includes(wanted.value.toLowerCase()))
    .sort((a, b) => Number(b.live) - Number(a.live) || b.last_write - a.last_write);
  return (
    <Section title="Recordings" figure={`${recordings.length}, ${bytes(total(recordings))}`}>
      {recordings.length >= SEARCH_FROM && (
        <input
          type="search"
          placeholder="Find a recording"
          aria-label="Find a recording"
          value={wanted.value}
          onInput={(event) => (wanted.value = event.currentTarget.value)}
        />
      )}
      <ul class="recordings">
        {shown.map((each) => (
          <RecordingRow key={keyOf(each)} recording={each} />
        ))}
      </ul>
    </Section>
  );
}

function RecordingRow({ recording }: { recording: Recording }) {
  const path = toPath({ application: recording.application_id, recording: recording.recording_id });
  const rate = rates.value.get(keyOf(recording));
  return (
    <li class="recording" data-recording={keyOf(recording)}>
      <span class={recording.live ? "dot live" : "dot"} title={recording.live ? "live" : "nobody logs into it now"} />
      <a class="name" href={`/recordings/${path}`}>
        <span class="quiet">{recording.application_id} /</span> <strong>{recording.recording_id}</strong>
      </a>
      <RecordingActions recording={recording} />
      <span class="facts number">
        <b>{bytes(recording.bytes)}</b>
        {recording.rows !== null && <span>{count(recording.rows, "row")}</span>}
        {recording.entities !== null && <span>{recording.entities.toLocaleString("en")} entities</span>}
        {recording.live ? (
          <span class="rate">
            {bytes(rate?.bytes ?? 0)}/s from {count(recording.producers, "process", "processes")}
          </span>
        ) : (
          <span>{ago(recording.last_write)}</span>
        )}
        {recording.started > 0 && (
          <span>
            {duration(recording.last_write - recording.started)}, since {clock(recording.started)}
          </span>
        )}
        {recording.pinned && <span class="pinned">pinned</span>}
        {recording.error && <span class="error">{recording.error}</span>}
      </span>
    </li>
  );
}

function RecordingActions({ recording }: { recording: Recording }) {
  const { application_id, recording_id } = recording;
  const path = toPath({ application: application_id, recording: recording_id });
  const about = keyOf(recording);
  const args = { application_id, recording_id };
  return (
    <span class="actions">
      <a href={`/rerun/${path}`}>Rerun viewer</a>
      <a href={`/api/recordings/${path}.rrd`} download>
        Download
      </a>
      <ActionButton
        label="Follow"
        about={about}
        question={`Write ${about} to a file, and all that comes? It goes to ${permission.value.save_dir}.`}
        action="follow"
        args={args}
        asks={{ name: "file", label: "Name of the file", value: fileName(recording) }}
      />
      {recording.pinned ? (
        <ActionButton
          label="Unpin"
          about={about}
          question={`Let ${about} be removed when room is needed, if the daemon's options say so?`}
          action="pin"
          args={{ ...args, pinned: false }}
        />
      ) : (
        <ActionButton
          label="Pin"
          about={about}
          question={`Keep ${about} whatever room is needed? It can still be deleted.`}
          action="pin"
          args={{ ...args, pinned: true }}
        />
      )}
      <ActionButton
        label="Delete"
        about={about}
        question={`Delete ${about} (${bytes(recording.bytes)})? It cannot be brought back.`}
        action="remove"
        args={args}
        isDangerous
      />
    </span>
  );
}

function fileName(recording: Recording): string {
  const name = `${recording.application_id}-${recording.recording_id}`.replace(/[^\p{L}\p{N}_.+=@-]+/gu, "_").replace(/^\.+/, "");
  return `${name.slice(0, 100)}.rrd`;
}

function Nothing() {
  return (
    <section class="nothing">
      <h2>Nothing was logged yet</h2>
      <p>Log something from any process on this machine, and it appears here:</p>
      <pre>
        {`import rerund_sdk as rr

rr.init("my_robot")
rr.connect()
rr.log("temperature", rr.Scalars(21.5))`}
      </pre>
    </section>
  );
}

function Producers({ told }: { told: Status }) {
  return (
    <Section title="Processes that log" figure={`${told.producers.length}`}>
      <Table head={["Process", "Recording", "Rows", "Rows/s", "Data", "Data/s", "Late", "Unacked", "Lost"]}>
        {[...told.producers].sort(worthALook).map((each) => {
          const rate = rates.value.get(each.producer_id);
          return (
            <tr key={each.producer_id}>
              <th scope="row">
                {each.name} <span class="quiet">{each.pid ? `pid ${each.pid} on ${each.host}` : `on ${each.host}`}</span>
              </th>
              <td>{each.recording_id}</td>
              <td>{each.rows.toLocaleString("en")}</td>
              <td>{Math.round(rate?.rows ?? 0).toLocaleString("en")}</td>
              <td>{bytes(each.bytes)}</td>
              <td>{bytes(rate?.bytes ?? 0)}</td>
              <td class={each.lag_secs > LATE_SECS ? "warning" : ""} title="How old its latest rows were when they came">
                {delay(each.lag_secs)}
              </td>
              <td class={each.waiting_bytes ? "warning" : ""} title="What it keeps because the daemon did not take it yet">
                {each.waiting_bytes ? bytes(each.waiting_bytes) : "none"}
              </td>
              <td class={each.lost_rows ? "error" : ""}>{each.lost_rows ? count(each.lost_rows, "row") : "none"}</td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}

/** Who loses or keeps back comes first, then who logs most. */
const worthALook = (a: Producer, b: Producer) =>
  b.lost_rows - a.lost_rows || b.waiting_bytes - a.waiting_bytes || b.bytes - a.bytes || a.producer_id.localeCompare(b.producer_id);

function Viewers({ told }: { told: Status }) {
  const files = new Set(told.sinks.map((each) => each.path)); // they read as viewers do, and are listed by themselves
  const viewers = told.viewers.filter((each) => !files.has(each.peer));
  if (!viewers.length) return null;
  return (
    <Section title="Viewers" figure={`${viewers.length}`}>
      <Table head={["From", "Recording", "Kind", "Behind"]}>
        {viewers.map((each, number) => (
          <tr key={number}>
            <th scope="row">{each.peer || "this machine"}</th>
            <td>{each.recording}</td>
            <td>{each.kind}</td>
            <td>{bytes(each.lag_bytes)}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

function Files({ told }: { told: Status }) {
  return (
    <Section title="Files that are followed" figure={`${told.sinks.length}`}>
      <Table head={["File", "Recording", "Size", "Behind", ""]}>
        {told.sinks.map((each) => (
          <tr key={each.path}>
            <th scope="row">{each.path}</th>
            <td>{each.recording}</td>
            <td>{bytes(each.bytes)}</td>
            <td class={each.error ? "error" : ""}>{each.error || bytes(each.lag_bytes)}</td>
            <td>
              <ActionButton
                label="Stop"
                about={each.path}
                question={`Stop writing to ${each.path}? The file stays as it is then.`}
                action="unsave"
                args={{ path: each.path }}
              />
            </td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

/** Room on the disk: what recordings take, what others take, what is free, and where writing ends. */
function Disk({ told }: { told: Status }) {
  const { disk, spill } = told;
  if (!disk) return null;
  const own = total(told.recordings) + spill.bytes;
  const others = Math.max(0, disk.total - disk.free - own);
  const share = (size: number) => ({ width: `${(100 * size) / disk.total}%` });
  return (
    <Section title="Disk" figure={told.home}>
      <div class="disk" role="img" aria-label={`${bytes(own)} of recordings, ${bytes(disk.free)} of ${bytes(disk.total)} free`}>
        <span class="others" style={share(others)} />
        <span class="own" style={share(own)} />
        <span class="floor" style={share(Math.min(disk.floor, disk.free))} title="Stays free" />
      </div>
      <p class={disk.missing ? "error number" : "quiet number"}>
        {bytes(own)} of recordings, {bytes(disk.free)} of {bytes(disk.total)} free.{" "}
        {disk.missing
          ? `Full: nothing is written until ${bytes(disk.missing)} more are free; processes keep what they log meanwhile.`
          : `Writing ends when only ${bytes(disk.floor)} are left.`}
        {spill.files > 0 && ` ${bytes(spill.bytes)} were left behind by processes and are being collected.`}
      </p>
    </Section>
  );
}

function Section({ title, figure, children }: { title: string; figure: string; children: ComponentChildren }) {
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="quiet number">{figure}</span>
      </h2>
      {children}
    </section>
  );
}

function Table({ head, children }: { head: string[]; children: ComponentChildren }) {
  return (
    <div class="scroll">
      <table class="number">
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

const total = (recordings: Recording[]) => recordings.reduce((sum, each) => sum + each.bytes, 0);
