// Reads a report of vitest's for script/test.
//
//   test-report.ts counts FILE            prints "passed failed skipped"; a file that could not even be loaded is a failure
//   test-report.ts failures PART FILE     prints what failed, each with "FAILED PART FILE: NAME" before its message
//   test-report.ts again FILE             prints vitest's arguments, one a line, that run what failed once more, after what
//                                         of its group came before it; nothing where nothing failed, or so much that it is
//                                         no accident

import { readFileSync } from 'node:fs';
import path from 'node:path';

interface Test {
  readonly fullName: string;
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}

interface TestFile {
  /** Its absolute path. */
  readonly name: string;
  readonly status: string;
  readonly message?: string;
  readonly assertionResults: readonly Test[];
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests?: number;
  readonly testResults: readonly TestFile[];
}

/** A fault that is there every time fails more than that. */
const mostAgain = 12;

const failedTests = (file: TestFile): Test[] =>
  file.assertionResults.filter(({ status }) => status === 'failed');
/** A hook failed, or it could not be loaded. */
const isBroken = (file: TestFile): boolean => file.status === 'failed' && failedTests(file).length === 0;
const relative = ({ name }: TestFile): string => path.relative(process.cwd(), name);

function counts({
  testResults,
  numPassedTests,
  numFailedTests,
  numPendingTests,
  numTodoTests = 0,
}: Report): string {
  const failed = numFailedTests + testResults.filter(isBroken).length;
  return `${numPassedTests} ${failed} ${numPendingTests + numTodoTests}`;
}

function failures(part: string, { testResults }: Report): string[] {
  return testResults.flatMap((file) => [
    ...failedTests(file).map(
      ({ fullName, failureMessages }) =>
        `FAILED ${part} ${relative(file)}: ${fullName}\n${failureMessages.join('\n').slice(0, 2000)}`,
    ),
    ...(isBroken(file) ? [`FAILED ${part} ${relative(file)}\n${(file.message ?? '').slice(0, 2000)}`] : []),
  ]);
}

/** Groups and name as -t has them, which puts more between them than `fullName` does. */
const patternOf = ({ ancestorTitles, title }: Test): string =>
  `^${[...ancestorTitles, title].map((each) => each.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join(' (?:> )?')}$`;

/** What failed, and what of the same group came before it: a case may stand on those. */
function withThoseBefore({ assertionResults }: TestFile): Test[] {
  const groupOf = ({ ancestorTitles }: Test): string => ancestorTitles.join('\n');
  return assertionResults.filter(
    (test, index) =>
      test.status !== 'skipped' &&
      assertionResults
        .slice(index)
        .some((later) => later.status === 'failed' && groupOf(later) === groupOf(test)),
  );
}

function again({ testResults }: Report): string[] {
  const files = testResults.filter(({ status }) => status === 'failed');
  const names = files.flatMap(withThoseBefore).map(patternOf);
  const broken = files.filter(isBroken);
  if (files.length === 0 || files.flatMap(failedTests).length + broken.length > mostAgain) return [];
  // Of a broken file it is not known which test it was: then all of these files run.
  return [...files.map(relative), ...(broken.length === 0 ? ['-t', names.join('|')] : [])];
}

const [verb, ...words] = process.argv.slice(2);
const report = JSON.parse(readFileSync(words.at(-1) ?? '', 'utf8')) as Report;
const printers: Record<string, () => string[]> = {
  counts: () => [counts(report)],
  failures: () => failures(words[0] ?? '', report),
  again: () => again(report),
};
const print = printers[verb ?? ''];
if (print === undefined) throw new Error(`no such verb: ${verb}`);
for (const line of print()) console.log(line);
