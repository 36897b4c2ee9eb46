// Holds type-aware rules about promises, on the compiler's own types: a promise must be awaited, returned, stored or
// discarded with `void`, or end in `.catch(…)`; an async function must not be passed where the caller ignores what it
// returns. biome has rules of these names, but it sees no promise behind node's own modules.

import path from 'node:path';
import { SyntaxKind } from 'typescript/unstable/ast';
import {
  isBinaryExpression,
  isCallExpression,
  isExpressionStatement,
  isNewExpression,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast/is';
import { API, SignatureKind, TypeFlags } from 'typescript/unstable/sync';

type Project = NonNullable<ReturnType<ReturnType<API['updateSnapshot']>['getProject']>>;
type SourceFile = NonNullable<ReturnType<Project['program']['getSourceFile']>>;
type Checker = Project['checker'];
type Type = NonNullable<ReturnType<Checker['getTypeFromTypeNode']>>;
type AstNode = Parameters<Checker['getResolvedSignature']>[0];

const root = path.resolve(import.meta.dirname, '..');
const functionKinds = new Set<SyntaxKind>([SyntaxKind.ArrowFunction, SyntaxKind.FunctionExpression]);

/** Thenable, or a union (`Promise<void> | undefined`) with a thenable in it. */
function isPromise(checker: Checker, type: Type): boolean {
  if ((type.flags & (TypeFlags.Any | TypeFlags.Unknown | TypeFlags.Never)) !== 0) return false;
  const parts = type.isUnionType() ? type.getTypes() : [type];
  return parts.some((part) => checker.getPropertyOfType(part, 'then') !== undefined);
}

/** `….catch(handler)`: nothing of this promise can go unhandled. */
function endsInCatch(node: AstNode): boolean {
  return (
    isCallExpression(node) &&
    isPropertyAccessExpression(node.expression) &&
    node.expression.name.text === 'catch' &&
    node.arguments.length > 0
  );
}

/** An assignment: the promise is stored. No other operator hands a promise on as a statement of its own. */
function isStored(node: AstNode): boolean {
  if (!isBinaryExpression(node)) return false;
  const { kind } = node.operatorToken;
  return kind >= SyntaxKind.FirstAssignment && kind <= SyntaxKind.LastAssignment;
}

function returnsPromise(checker: Checker, node: AstNode): boolean {
  const type = checker.getTypeAtLocation(node);
  if (type === undefined) return false;
  return checker.getSignaturesOfType(type, SignatureKind.Call).some((signature) => {
    const result = checker.getReturnTypeOfSignature(signature);
    return result !== undefined && isPromise(checker, result);
  });
}

/** True when the callee declares that it ignores what this function argument returns. */
function isVoidCallback(checker: Checker, argument: AstNode): boolean {
  const wanted = checker.getContextualType(argument as Parameters<Checker['getContextualType']>[0]);
  if (wanted === undefined) return false;
  const signatures = checker.getSignaturesOfType(
    checker.getNonNullableType(wanted) ?? wanted,
    SignatureKind.Call,
  );
  return (
    signatures.length > 0 &&
    signatures.every((signature) => {
      const result = checker.getReturnTypeOfSignature(signature);
      return result !== undefined && (result.flags & TypeFlags.Void) !== 0;
    })
  );
}

function problemsOf(checker: Checker, file: SourceFile): string[] {
  const problems: string[] = [];
  const report = (node: AstNode, message: string): void => {
    const { line, character } = file.getLineAndCharacterOfPosition(node.getStart(file));
    problems.push(`${path.relative(root, file.fileName)}:${line + 1}:${character + 1}: ${message}`);
  };
  const visit = (node: AstNode): void => {
    if (isExpressionStatement(node) && !endsInCatch(node.expression) && !isStored(node.expression)) {
      const type = checker.getTypeAtLocation(node.expression);
      if (type !== undefined && isPromise(checker, type)) {
        report(node, 'promise is neither awaited nor discarded with void');
      }
    }
    if (isCallExpression(node) || isNewExpression(node)) {
      for (const argument of node.arguments ?? []) {
        if (!functionKinds.has(argument.kind) || !returnsPromise(checker, argument)) continue;
        if (isVoidCallback(checker, argument))
          report(argument, 'async function passed where its promise is ignored');
      }
    }
    node.forEachChild(visit);
  };
  file.forEachChild(visit);
  return problems;
}

const api = new API({ cwd: root });
try {
  const config = path.join(root, 'tsconfig.json');
  const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
  if (project === undefined) throw new Error(`the compiler did not open ${config}`);
  const problems = project.rootFiles.flatMap((name) => {
    const file = project.program.getSourceFile(name);
    return file === undefined ? [] : problemsOf(project.checker, file);
  });
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  api.close();
}
