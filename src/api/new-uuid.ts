import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

/** Randomness is dear to ask for and cheap to get: a call costs the same for 16 bytes and for 4,096. */
const pool = new Uint8Array(4_096);
const bytesOfUuid = 16;
let used = pool.length;

let lastMs = 0;
let sequence = 0;

/** A UUID of version 7 that sorts after every one that this process minted before, whatever its clock does. */
export function newUuid(): string {
  const random = randomBytes();
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // Half of the 32 bits is room to count up in.
    sequence = new DataView(random.buffer, random.byteOffset).getUint32(6) >>> 1;
  } else {
    sequence += 1;
  }
  return uuidv7({ random, msecs: lastMs, seq: sequence });
}

/** No byte is handed out twice. */
function randomBytes(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytesOfUuid;
  return pool.subarray(used - bytesOfUuid, used);
}
