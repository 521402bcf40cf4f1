/**
 * Keys and secrecy: deriving a vault's keys, sealing and opening, key files, the recovery phrase.
 *
 * @module
 */

export { deriveVaultKeys, SECRET_BYTES, type VaultKeys } from "./derive.ts";
export {
  type Codec,
  CODEC_PADDED,
  CODEC_RAW,
  CODEC_ZSTD,
  LABEL_BYTES,
  labelOfSealed,
  parseSealedHeader,
  type SealedHeader,
} from "./header.ts";
export {
  decodeKeyFile,
  encodeKeyFile,
  isProtected,
  type KeyFileInput,
  type KeyFileUse,
  type KeyKind,
} from "./key_file.ts";
export { paddedLength } from "./padding.ts";
export { keyOfPhrase, PHRASE_WORDS, phraseOfKey } from "./phrase.ts";
export {
  type Decompress,
  type Domain,
  type Expected,
  type Sealed,
  Sealer,
  type SealInput,
} from "./sealer.ts";
