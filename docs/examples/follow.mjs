// Prints every event of a subscription as a JSON line, then acknowledges it. Kill it whenever you like.
//
//     npm install nats@2
//     NATS_URL=nats://… NATS_USER=default_billing NATS_PASSWORD=… node follow.mjs
//
// What was printed but not acknowledged when it was killed is printed again by the next one: drop repeats by `id`.
import { connect } from "nats";

const user = process.env.NATS_USER;
const connection = await connect({
  servers: process.env.NATS_URL,
  user,
  pass: process.env.NATS_PASSWORD,
  inboxPrefix: `_INBOX_${user}`,
});
const consumer = await connection.jetstream({ domain: "QL" }).consumers.get("QL", user);
for await (const message of await consumer.consume()) {
  const event = { sequence: message.seq, id: message.headers.get("ce-id"), type: message.headers.get("ce-type") };
  console.log(JSON.stringify({ ...event, data: message.json() }));
  await message.ackAck();
}
