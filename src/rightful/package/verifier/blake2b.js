// BLAKE2b-512 (RFC 7693) of a small content: what minisign signs is its digest. In whole numbers without limit, which is slow and plain.

const MASK = (1n << 64n) - 1n;
const START = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const ORDER = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const QUARTERS = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

/** Return the 64 bytes of the digest of a Uint8Array. */
function blake2b(content) {
  const state = [...START];
  state[0] ^= 0x01010040n; // no key, 64 bytes
  const blocks = Math.max(1, Math.ceil(content.length / 128));
  const padded = new Uint8Array(blocks * 128);
  padded.set(content);
  const view = new DataView(padded.buffer);
  for (let number = 0; number < blocks; number++) {
    const isLast = number === blocks - 1;
    const words = Array.from({ length: 16 }, (_, i) => view.getBigUint64(number * 128 + i * 8, true));
    const v = [...state, ...START];
    v[12] ^= BigInt(isLast ? content.length : (number + 1) * 128);
    if (isLast) v[14] ^= MASK;
    for (let round = 0; round < 12; round++) {
      QUARTERS.forEach(([a, b, c, d], i) => mix(v, a, b, c, d, words[ORDER[round % 10][2 * i]], words[ORDER[round % 10][2 * i + 1]]));
    }
    for (let i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
  }
  const digest = new DataView(new ArrayBuffer(64));
  state.forEach((word, i) => digest.setBigUint64(i * 8, word, true));
  return new Uint8Array(digest.buffer);
}

function mix(v, a, b, c, d, x, y) {
  v[a] = (v[a] + v[b] + x) & MASK;
  v[d] = turned(v[d] ^ v[a], 32n);
  v[c] = (v[c] + v[d]) & MASK;
  v[b] = turned(v[b] ^ v[c], 24n);
  v[a] = (v[a] + v[b] + y) & MASK;
  v[d] = turned(v[d] ^ v[a], 16n);
  v[c] = (v[c] + v[d]) & MASK;
  v[b] = turned(v[b] ^ v[c], 63n);
}

function turned(word, bits) {
  return (word >> bits) | ((word << (64n - bits)) & MASK);
}
