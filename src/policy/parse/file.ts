// Parses the text of one file into sections and a list of problems with their places. Pure.

import type { SectionPolicy } from '../policy.ts';
import type { Problem } from '../problem.ts';
import type { GatewaySection, HostSection, ImagesSection } from '../schema.ts';
import { type Header, parseHeader } from './header.ts';
import { type IniSection, scanIni } from './ini-text.ts';
import {
  type Parsed,
  parseGatewaySection,
  parseHostSection,
  parseImagesSection,
  parseUserSection,
  type Report,
} from './section.ts';

/** One file on its own; what can be read of it, which is of use only where nothing was reported. */
export interface ParsedFile {
  readonly file: string;
  readonly sections: readonly { readonly header: Header; readonly section: SectionPolicy }[];
  readonly images: Partial<ImagesSection>;
  readonly host: Partial<HostSection>;
  readonly gateway: Partial<GatewaySection>;
  readonly problems: readonly Problem[];
}

/** `file` is only for messages and origins: nothing is read. */
export function parseFile(text: string, file: string): ParsedFile {
  const problems: Problem[] = [];
  const report = reporter(file, problems);
  const scanned = scanIni(text);
  for (const problem of scanned.problems) report(problem, problem.message, problem.hint);
  const sections: { header: Header; section: SectionPolicy }[] = [];
  let images: Partial<ImagesSection> = {};
  let host: Partial<HostSection> = {};
  let gateway: Partial<GatewaySection> = {};
  for (const section of onceEach(scanned.sections, report)) {
    const header = parseHeader(section.name);
    if ('problem' in header) report(section, header.problem, header.hint);
    const parsed = parseAny('problem' in header ? undefined : header, section, file, report);
    if (parsed === undefined || 'problem' in header) continue;
    if (parsed.kind === 'images') images = parsed.values;
    else if (parsed.kind === 'host') host = parsed.values;
    else if (parsed.kind === 'gateway') gateway = parsed.values;
    else sections.push({ header, section: parsed.section });
    if (header.kind === 'user' && header.names.exact.includes('root')) {
      report(section, `[${section.name}] has no effect for root`, 'root never gets a sandbox', 'warning');
    }
  }
  problems.sort((a, b) => a.line - b.line);
  return { file, sections, images, host, gateway, problems };
}

export function reporter(file: string, problems: Problem[]): Report {
  return ({ line, column }, message, hint, severity = 'error') => {
    problems.push({ severity, file, line, column, message, ...(hint === undefined ? {} : { hint }) });
  };
}

/** Settings under a header that is not understood are checked as a user's, so that one look names everything. */
function parseAny(
  header: Header | undefined,
  section: IniSection,
  file: string,
  report: Report,
): Parsed | undefined {
  if (header?.kind === 'images') return parseImagesSection(section, report);
  if (header?.kind === 'host') return parseHostSection(section, report);
  if (header?.kind === 'gateway') return parseGatewaySection(section, report);
  return parseUserSection(section, file, report, header?.kind === 'image' ? ['image'] : []);
}

function onceEach(sections: readonly IniSection[], report: Report): IniSection[] {
  const seen = new Map<string, IniSection>();
  for (const section of sections) {
    if (section.name === '') continue;
    const first = seen.get(section.name);
    if (first === undefined) seen.set(section.name, section);
    else report(section, `[${section.name}] is there twice`, `first in line ${first.line}`);
  }
  return [...seen.values()];
}
