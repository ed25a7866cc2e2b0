// What damage in one of our files means, told by the file's name.

export interface Meaning {
  readonly effect: string;
  readonly repair: string;
}

export function meaningOf(
  file: string,
  offsets: { readonly from: number; readonly to: number } | undefined,
): Meaning {
  if (/\.(index|timeindex)$/.test(file))
    return {
      effect: "index only: made anew when it is needed, no record is affected",
      repair: "makes it anew",
    };
  if (/(^|[/\\])checkpoint-copy$/.test(file))
    return { effect: "none as long as the checkpoint file is good", repair: "writes it anew" };
  if (/(^|[/\\])checkpoint$/.test(file))
    return { effect: "the log cannot be opened", repair: "puts its copy in its place, if that is good" };
  if (/\.log$/.test(file)) {
    const [, partition = "the partition"] = /([^/\\]+)[/\\][^/\\]+$/.exec(file) ?? [];
    const which = offsets === undefined ? "" : `: ${rangeText(offsets)}`;
    const repair = "puts back what was there where that can be told, else leaves it out and keeps the rest";
    return { effect: `${partition}${which} cannot be read`, repair };
  }
  const repair = "leaves out what does not read back, keeps all that is good, and gives no offset twice";
  return { effect: "the log cannot be opened, and what the journal held there is lost", repair };
}

function rangeText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? `offset ${from}` : `offsets ${from} to ${to}`;
}
