// Says of a policy for the gateway's web page why nobody could log in there. Pure.

import type { GatewayPolicy } from '../policy.ts';

/** undefined: there is no page, or it is fine. */
export function webFault(
  gateway: GatewayPolicy,
): { readonly message: string; readonly hint: string } | undefined {
  const { web, methods, web_certificate: certificate, web_key: key, pam_service: service } = gateway;
  if (web.length === 0) return undefined;
  if (certificate === null || key === null)
    return {
      message: '[gateway] web: the page has no certificate, or no key of it',
      hint: 'set web_certificate and web_key, or web = none',
    };
  if (methods.every((way) => way.split(',').includes('publickey')))
    return {
      message: '[gateway] web: every way of "methods" needs a key, which a page can’t show',
      hint: 'add password or keyboard-interactive to methods, or set web = none',
    };
  if (service === null)
    return {
      message: '[gateway] web: nobody asks PAM (pam_service = none), and so no password lets anybody in',
      hint: 'set pam_service, or web = none',
    };
  return undefined;
}
