// Proves the offline WhatsApp server against an unmodified Baileys client.
//
//   node interop.mjs <websocket url> <control url> <root public key, hex>
//   or: node interop.mjs --ready-file FILE      (as `wa-server --ready-file FILE` writes it)
//
// The only thing set on the library is its exported root key, which a test server cannot share with
// WhatsApp. Exits 0 when every step passed, 1 otherwise; never runs longer than 60 s.
import fs from 'node:fs'
import pino from 'pino'
import * as baileys from '@whiskeysockets/baileys'

const OVERALL_LIMIT_MS = 60_000
const STEP_LIMIT_MS = 20_000
const POLL_MS = 25
const REOPEN_AFTER_MS = 200
const COMPANION = '+5511988880001'
const FRIEND = '+5511988880002'
const BY_CODE = '+5511988880003'
const DELIVERED = 3 // proto.WebMessageInfo.Status.DELIVERY_ACK
const READ = 4 // proto.WebMessageInfo.Status.READ

const { whatsappUrl, sandboxUrl, rootPublicKey } = endpoints(process.argv.slice(2))
baileys.WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootPublicKey, 'hex')
const makeWASocket = baileys.makeWASocket ?? baileys.default

setTimeout(() => fail(new Error(`not done after ${OVERALL_LIMIT_MS} ms`)), OVERALL_LIMIT_MS).unref()
process.on('unhandledRejection', fail)
// libsignal prints whole sessions, keys included, whatever the logger.
console.info = () => {}

function endpoints(args) {
  if (args[0] === '--ready-file') return JSON.parse(fs.readFileSync(args[1], 'utf8'))
  const [whatsappUrl, sandboxUrl, rootPublicKey] = args
  if (!rootPublicKey) {
    console.error('usage: node interop.mjs <websocket url> <control url> <root public key hex>')
    process.exit(1)
  }
  return { whatsappUrl, sandboxUrl, rootPublicKey }
}

function fail(error) {
  console.error('FAILED:', error?.stack ?? error)
  process.exit(1)
}

async function control(method, path, body) {
  const response = await fetch(sandboxUrl + path, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body)
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.code} ${answer.error}`)
  return answer
}

async function until(what, condition) {
  const deadline = Date.now() + STEP_LIMIT_MS
  for (;;) {
    const result = await condition()
    if (result) return result
    if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}

async function step(name, work) {
  const started = Date.now()
  const result = await work()
  console.log(`ok  ${name} (${Date.now() - started} ms)`)
  return result
}

function memoryAuth() {
  const stored = new Map()
  return {
    creds: baileys.initAuthCreds(),
    keys: {
      get: async (type, ids) =>
        Object.fromEntries(ids.map(id => [id, stored.get(`${type}/${id}`)]).filter(([, value]) => value)),
      set: async data => {
        for (const [type, entries] of Object.entries(data))
          for (const [id, value] of Object.entries(entries))
            value ? stored.set(`${type}/${id}`, value) : stored.delete(`${type}/${id}`)
      }
    }
  }
}

/** A client that comes back after every close, as an application would write it. */
function startClient({ codeFor } = {}) {
  const client = { auth: memoryAuth(), opens: 0, qrs: [], messages: [], updates: [], loggedOut: false }
  const open = () => {
    const socket = makeWASocket({
      auth: client.auth,
      waWebSocketUrl: whatsappUrl,
      logger: pino({ level: process.env.LOG ?? 'silent' }),
      browser: ['Ubuntu', 'Chrome', '22.0'],
      syncFullHistory: false
    })
    client.socket = socket
    socket.ev.on('creds.update', update => Object.assign(client.auth.creds, update))
    socket.ev.on('messages.upsert', ({ messages }) => client.messages.push(...messages))
    socket.ev.on('messages.update', updates => client.updates.push(...updates))
    socket.ev.on('connection.update', ({ connection, qr, lastDisconnect }) => {
      if (qr) client.qrs.push(qr)
      // Baileys may ask for a code once the server has offered QR references.
      if (qr && codeFor && !client.code) client.code = socket.requestPairingCode(codeFor.slice(1))
      if (connection === 'open') client.opens += 1
      if (connection !== 'close') return
      const code = lastDisconnect?.error?.output?.statusCode
      if (code === baileys.DisconnectReason.loggedOut) client.loggedOut = true
      else setTimeout(open, REOPEN_AFTER_MS)
    })
  }
  open()
  return client
}

const textOf = message => message.message?.conversation ?? message.message?.extendedTextMessage?.text
const jid = number => `${number.slice(1)}@s.whatsapp.net`
const received = (client, text) => client.messages.find(message => textOf(message) === text)
const inLog = async (number, text) =>
  (await control('GET', `/phones/${number}/messages`)).find(message => message.text === text)
// While Baileys buffers events, it merges an update into the message that it has not emitted yet.
const hasStatus = (client, id, status) =>
  client.updates.some(({ key, update }) => key.id === id && update.status >= status) ||
  client.messages.some(message => message.key.id === id && message.status >= status)

async function main() {
  const client = startClient()

  await step('pair by QR', async () => {
    const qr = await until('a QR code', () => client.qrs[0])
    const linked = await control('POST', `/phones/${COMPANION}/scan`, { qr })
    if (!linked.linked || linked.device !== 1) throw new Error(`odd answer: ${JSON.stringify(linked)}`)
    await until('the connection to open', () => client.opens === 1)
  })

  await step('a used QR code is refused with a reason', async () => {
    const refusal = await control('POST', `/phones/${COMPANION}/scan`, { qr: client.qrs[0] }).catch(error => error)
    if (!/409 QR_USED/.test(refusal.message)) throw new Error(`not refused: ${refusal.message}`)
  })

  await step('receive a text from another phone', async () => {
    await control('POST', `/phones/${FRIEND}/messages`, { to: COMPANION, text: 'hello from a phone' })
    await until('the text', () => received(client, 'hello from a phone'))
  })

  await step('send a text that arrives decrypted, delivered, read', async () => {
    const sent = await client.socket.sendMessage(jid(FRIEND), { text: 'hello from Baileys' })
    const message = await until('the text', () => inLog(FRIEND, 'hello from Baileys'))
    if (message.direction !== 'in' || message.from !== COMPANION) throw new Error(JSON.stringify(message))
    await until('delivered', () => hasStatus(client, sent.key.id, DELIVERED))
    await until('the copy on the own phone', () => inLog(COMPANION, 'hello from Baileys'))
    await control('POST', `/phones/${FRIEND}/messages/${message.id}/read`)
    await until('read', () => hasStatus(client, sent.key.id, READ))
  })

  await step('the own phone tells what it sent', async () => {
    await control('POST', `/phones/${COMPANION}/messages`, { to: FRIEND, text: 'typed on the phone' })
    const copy = await until('the copy', () => received(client, 'typed on the phone'))
    if (!copy.key.fromMe) throw new Error('the copy is not marked as own')
  })

  await step('survive a dropped connection, with a text meanwhile', async () => {
    await control('POST', '/network', { dropConnections: true })
    await control('POST', `/phones/${FRIEND}/messages`, { to: COMPANION, text: 'while away' })
    await until('the connection to open again', () => client.opens === 2)
    await until('the text', () => received(client, 'while away'))
    const times = client.messages.filter(message => textOf(message) === 'while away').length
    if (times !== 1) throw new Error(`the text arrived ${times} times`)
  })

  await step('pair a second client by code and talk to it', async () => {
    const other = startClient({ codeFor: BY_CODE })
    const code = await (await until('a pairing code', () => other.code))
    await until('the server to know of it', async () => {
      const answer = await control('POST', `/phones/${BY_CODE}/pairing-code`, { code }).catch(error => error)
      if (answer.linked) return true
      if (!/NO_PENDING_CODE/.test(answer.message)) throw answer
    })
    await until('the connection to open', () => other.opens === 1)
    await client.socket.sendMessage(jid(BY_CODE), { text: 'from one Baileys' })
    await until('the text', () => received(other, 'from one Baileys'))
    await other.socket.sendMessage(jid(COMPANION), { text: 'to the other' })
    await until('the answer', () => received(client, 'to the other'))
    await other.socket.logout()
    await until('the device to go', async () => (await control('GET', `/phones/${BY_CODE}/companions`)).length === 0)
  })

  await step('unlink from the phone logs out', async () => {
    await control('DELETE', `/phones/${COMPANION}/companions/1`)
    await until('logged out', () => client.loggedOut)
    const left = await control('GET', `/phones/${COMPANION}/companions`)
    if (left.length !== 0) throw new Error('the companion is still linked')
  })

  console.log('BAILEYS INTEROP PASSED')
  process.exit(0)
}

main().catch(fail)
