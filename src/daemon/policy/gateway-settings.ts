// Tells dockersh-gateway its settings ([gateway]): a file in the run folder, which its listener reads again whenever it
// is another one. So the gateway starts with those from before where no daemon is there yet.

import path from 'node:path';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import type { Logger } from '../../lib/log.ts';
import { WireWriter } from '../../lib/wire.ts';
import type { GatewayPolicy } from '../../policy/policy.ts';
import type { PolicyStore } from './policy-store.ts';

export const gatewaySettingsName = 'gateway.settings';

const seconds = (ms: number): string => String(Math.ceil(ms / 1000));
const number = (value: number | null): string => String(value ?? 0);
const list = (value: readonly (string | number)[]): readonly string[] => value.map(String);
const maybe = (value: string | null): readonly string[] => (value === null ? [] : [value]);

/** The values of each setting as the listener has them (native/gateway/settings.c). */
function valuesOf(gateway: GatewayPolicy): Readonly<Record<keyof GatewayPolicy, readonly string[]>> {
  return {
    listen: list(gateway.listen),
    web: list(gateway.web),
    web_certificate: maybe(gateway.web_certificate),
    web_key: maybe(gateway.web_key),
    host_keys: list(gateway.host_keys),
    methods: list(gateway.methods),
    authorized_keys_files: list(gateway.authorized_keys_files),
    authorized_keys_command: list(gateway.authorized_keys_command),
    authorized_keys_command_user: maybe(gateway.authorized_keys_command_user),
    trusted_ca: maybe(gateway.trusted_ca),
    principals_file: maybe(gateway.principals_file),
    revoked_keys: maybe(gateway.revoked_keys),
    pam_service: maybe(gateway.pam_service),
    banner: maybe(gateway.banner),
    auth_tries: [number(gateway.auth_tries)],
    grace_time: [seconds(gateway.grace_time)],
    max_startups: list(gateway.max_startups),
    source_startups: [number(gateway.source_startups)],
    source_bits: list(gateway.source_bits),
    penalties: [gateway.penalties === 'yes' ? '1' : '0'],
    penalty_min: [seconds(gateway.penalty_min)],
    penalty_max: [seconds(gateway.penalty_max)],
    spare_processes: [number(gateway.spare_processes)],
  };
}

/** GW_CONFIG (docs/protocol.md, section 12). */
export function gatewaySettings(gateway: GatewayPolicy): Buffer {
  const message = new WireWriter('gwConfig');
  for (const [name, values] of Object.entries(valuesOf(gateway)))
    message.text('gwSetting', [name, ...values].join('\0'));
  return message.finish();
}

export class GatewaySettings {
  readonly #file: string;
  readonly #policy: PolicyStore;
  readonly #log: Logger;
  #written: Buffer | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(run: string, policy: PolicyStore, log: Logger) {
    this.#file = path.join(run, gatewaySettingsName);
    this.#policy = policy;
    this.#log = log;
  }

  static open(run: string, policy: PolicyStore, log: Logger): GatewaySettings {
    const settings = new GatewaySettings(run, policy, log);
    settings.changed();
    return settings;
  }

  /** The policy has changed, or may have while no daemon was there. */
  changed(): void {
    const settings = gatewaySettings(this.#policy.gateway);
    if (this.#written?.equals(settings) === true) return;
    this.#written = settings;
    this.#writing = this.#writing.then(() => this.#write(settings));
  }

  /** Never rejects. */
  async #write(settings: Buffer): Promise<void> {
    try {
      await writeFileAtomic(this.#file, settings, 0o600);
    } catch (error) {
      this.#written = undefined;
      this.#log.error({ err: error }, 'the settings of the gateway could not be written');
    }
  }
}
