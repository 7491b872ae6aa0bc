/** How a recording is named in URLs; the counterpart of rerund/web/names.py. */

export interface RecordingName {
  application: string;
  recording: string;
}

/** One id as one path segment. A browser would resolve "", "." and "..", so those get a tilde, and so do ids that begin with one. */
export function toSegment(id: string): string {
  return /^(\.{0,2}|~.*)$/s.test(id) ? `~${encodeURIComponent(id)}` : encodeURIComponent(id);
}

export function fromSegment(segment: string): string {
  return decodeURIComponent(segment.startsWith("~") ? segment.slice(1) : segment);
}

export function toPath(name: RecordingName): string {
  return `${toSegment(name.application)}/${toSegment(name.recording)}`;
}

/** The recording that `/<page>/APPLICATION/RECORDING` names. */
export function nameFromLocation(): RecordingName {
  const [, , application = "", recording = ""] = location.pathname.split("/");
  return { application: fromSegment(application), recording: fromSegment(recording) };
}
