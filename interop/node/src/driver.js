// kafkajs, driven by commands on standard input: see Go package driver.
'use strict'

const readline = require('node:readline')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

const TIMEOUT = 30_000 // milliseconds without a record

const row = (value) => process.stdout.write(JSON.stringify({ row: value }) + '\n')
const encode = (b) => (b === null || b === undefined ? null : Buffer.from(b).toString('base64'))
const decode = (text) => (text === null ? null : Buffer.from(text, 'base64'))

const connect = (command) =>
  new Kafka({
    brokers: command.bootstrap.split(','),
    logLevel: logLevel.NOTHING,
    retry: { retries: 8 },
  })

// Header names come as keys of an object: values of one name stay in order,
// names do not.
function headerPairs(headers) {
  return Object.entries(headers ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((v) => [name, encode(v)]))
}

// consume reads a topic to the end it has now. kafkajs has no consumer without
// a group.
async function consume(command) {
  const kafka = connect(command)
  const admin = kafka.admin()
  await admin.connect()
  const left = new Map() // partition → offset at which it ends
  for (const o of await admin.fetchTopicOffsets(command.topic)) {
    if (BigInt(o.high) > BigInt(o.low)) left.set(o.partition, BigInt(o.high))
  }
  await admin.disconnect()
  if (left.size === 0) return
  const consumer = kafka.consumer({
    groupId: `interop-${process.pid}-${process.hrtime.bigint()}`,
    readUncommitted: !command.read_committed,
    maxWaitTimeInMs: 100,
  })
  await consumer.connect()
  await consumer.subscribe({ topic: command.topic, fromBeginning: true })
  try {
    await new Promise((resolve, reject) => {
      let timer = setTimeout(() => reject(new Error('no record in time')), TIMEOUT)
      consumer.on(consumer.events.CRASH, (e) => reject(e.payload.error))
      consumer.run({
        eachMessage: async ({ topic, partition, message: m }) => {
          timer.refresh()
          const offset = BigInt(m.offset)
          if (!left.has(partition) || offset >= left.get(partition)) return
          row({
            topic, partition, offset: Number(offset), timestamp: Number(m.timestamp),
            key: encode(m.key), value: encode(m.value), headers: headerPairs(m.headers),
          })
          if (offset + 1n === left.get(partition)) left.delete(partition)
          if (left.size === 0) {
            clearTimeout(timer)
            resolve()
          }
        },
      }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
}

const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
}

// chunks cuts records into runs of at most 500 kB, which kafkajs sends as one
// batch each.
function* chunks(records) {
  let chunk = []
  let size = 0
  for (const r of records) {
    const length = (r.value ?? '').length
    if (size + length > 500_000 && chunk.length > 0) {
      yield chunk
      chunk = []
      size = 0
    }
    chunk.push(r)
    size += length
  }
  if (chunk.length > 0) yield chunk
}

function message(r) {
  const headers = {}
  for (const [name, value] of r.headers ?? []) (headers[name] ??= []).push(decode(value))
  return {
    key: decode(r.key), value: decode(r.value), headers, timestamp: String(r.timestamp),
    ...(r.partition >= 0 && { partition: r.partition }),
  }
}

// produce writes records of one topic and, if they name it, one partition, and
// answers with each one's outcome. kafkajs reports the base offset of a batch.
// With transactional.id they are one transaction.
async function produce(command) {
  const config = command.config
  const id = config['transactional.id']
  const producer = connect(command).producer({
    idempotent: id !== undefined || config['enable.idempotence'] === 'true',
    maxInFlightRequests: 1,
    ...(id !== undefined && { transactionalId: id }),
  })
  await producer.connect()
  try {
    const transaction = id === undefined ? null : await producer.transaction()
    for (const records of chunks(command.records)) {
      const [answer] = await (transaction ?? producer).send({
        topic: records[0].topic,
        acks: { all: -1, 1: 1, 0: 0 }[config.acks ?? 'all'],
        compression: CODECS[config['compression.type'] ?? 'none'],
        messages: records.map(message),
      }) ?? []
      records.forEach((r, i) => row({
        partition: r.partition,
        offset: answer && r.partition >= 0 ? Number(answer.baseOffset) + i : -1,
      }))
    }
    if (transaction !== null) await (command.abort ? transaction.abort() : transaction.commit())
  } finally {
    await producer.disconnect()
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let end = { done: true }
    try {
      const command = JSON.parse(line)
      await { consume, produce }[command.op](command)
    } catch (e) {
      console.error(e)
      end = { failed: String(e) }
    }
    process.stdout.write(JSON.stringify(end) + '\n')
  }
  process.exit(0)
}

main()
