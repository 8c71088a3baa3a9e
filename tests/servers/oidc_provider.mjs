// oidc-provider, a certified OpenID provider, once for each tenant: they sign with the same keys, as Entra does (GRAPH-74).
// Takes one JSON object on stdin: {port, tenants, jwks, algorithm, audience, apps, signers, people}. Says "listening" once it does.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const { port, tenants, jwks, algorithm, audience, apps, signers, people } = JSON.parse(readFileSync(0, 'utf8'));
const base = `http://127.0.0.1:${port}`;

// What Entra puts into its tokens, and no standard knows.
const claims = (tenant, token) => {
  const common = { tid: tenant, azp: token.clientId, ver: '2.0', nbf: Math.floor(Date.now() / 1000) };
  if (token.kind === 'ClientCredentials') return { ...common, idtyp: 'app', ...apps[token.clientId] };
  return { ...common, idtyp: 'user', scp: token.scope, oid: token.accountId, ...people[token.accountId] };
};

const provider = (tenant) => new Provider(`${base}/${tenant}/v2.0`, {
  jwks,
  clients: [
    ...Object.keys(apps).map((client_id) => ({ client_id, client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] })),
    ...Object.entries(signers).map(([client_id, { jwk, alg }]) => ({
      client_id, token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg, jwks: { keys: [jwk] },
      grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    })),
    { client_id: 'portal', token_endpoint_auth_method: 'none', application_type: 'native', grant_types: ['authorization_code'], redirect_uris: ['http://127.0.0.1/signed-in'] },
  ],
  cookies: { keys: ['of this test'] },
  scopes: ['openid', 'User.Export.All'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true }, // a form that takes any name: this test's person signs in there
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        audience, scope: 'User.Export.All', accessTokenFormat: 'jwt', accessTokenTTL: 4 * 3600, jwt: { sign: { alg: algorithm } },
      }),
    },
  },
  extraTokenClaims: (_, token) => claims(tenant, token),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});

const mounted = tenants.map((tenant) => [`/${tenant}/v2.0`, provider(tenant).callback()]);
createServer((request, answer) => {
  const found = mounted.find(([path]) => request.url.startsWith(`${path}/`));
  if (!found) return answer.writeHead(404).end();
  request.originalUrl = request.url;
  request.url = request.url.slice(found[0].length);
  return found[1](request, answer);
}).listen(port, '127.0.0.1', () => console.log('listening'));
