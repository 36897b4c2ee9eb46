// dockershctl policy schema: prints the policy's keys as JSON Schema.

import type { Command } from 'commander';
import { policyJsonSchema } from '../../policy/json-schema.ts';
import type { Console } from '../console.ts';

export function addPolicySchema(policy: Command, console: () => Console): void {
  policy
    .command('schema')
    .description('print the policy as JSON Schema, for editors and for programs that write it')
    .action(() => {
      const schema = policyJsonSchema();
      console().show(schema, () => `${JSON.stringify(schema, null, 2)}\n`);
    });
}
