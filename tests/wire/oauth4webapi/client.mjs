// oauth4webapi as a client of a real node.
//
// Run by tests/wire/test_oauth2_clients.py, which writes a line of JSON to standard input: what to do, and with what.
// Says {"open": URL} when somebody has to log in, reads the URL where they were sent, and ends with {"done": …}.

import { createInterface } from 'node:readline'
import * as oauth from 'oauth4webapi'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => (await lines.next()).value
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

const given = JSON.parse(await read())
const issuer = new URL(given.issuer)
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2' }))
const client = { client_id: given.client }
const auth = {
  basic: () => oauth.ClientSecretBasic(given.secret),
  post: () => oauth.ClientSecretPost(given.secret),
  none: () => oauth.None(),
}[given.auth]()

const call = async (token) => {
  try {
    return (await oauth.protectedResourceRequest(token, 'GET', new URL(given.api))).status
  } catch (error) {
    return error.status // a WWWAuthenticateChallengeError: it has read our challenge
  }
}

const introspect = async (token) =>
  oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token))

const revoke = async (token) =>
  oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token))

const refresh = async (token) =>
  oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, auth, token))

const refused = async (attempt) => {
  try {
    await attempt
  } catch (error) {
    return error.error // of a ResponseBodyError: what the body says, in the form of RFC 6749, 5.2
  }
}

const itself = async () => {
  const response = await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'read' })
  const { access_token: token, token_type, expires_in, scope } =
    await oauth.processClientCredentialsResponse(as, client, response)
  const claims = given.jwt
    ? await oauth.validateJwtAccessToken(
        as, new Request(given.api, { headers: { authorization: `Bearer ${token}` } }), given.issuer)
    : undefined
  const before = { status: await call(token), ...(await introspect(token)) }
  await revoke(token)
  const after = { status: await call(token), ...(await introspect(token)) }
  return { token_type, expires_in, scope, claims, before, after }
}

const person = async () => {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: given.redirect_uri, response_type: 'code', scope: 'read', state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  say({ open: url.href })
  const parameters = oauth.validateAuthResponse(as, client, new URL(await read()), state) // iss as well (RFC 9207)
  const redeem = async () =>
    oauth.processAuthorizationCodeResponse(as, client, await oauth.authorizationCodeGrantRequest(
      as, client, auth, parameters, given.redirect_uri, verifier))
  const first = await redeem()
  const second = await refresh(first.refresh_token)
  const statuses = [await call(first.access_token), await call(second.access_token)]
  const stolen = await refused(refresh(first.refresh_token)) // used twice: the whole family ends
  return {
    scope: first.scope, rotated: first.refresh_token !== second.refresh_token, statuses, stolen,
    after: await call(second.access_token), again: await refused(refresh(second.refresh_token)),
  }
}

say({ done: await { itself, person }[given.what]() })
process.exit(0)
