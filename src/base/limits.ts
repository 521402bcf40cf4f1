/**
 * The limits of GoVault, by name, with their units last: what bounds a format, memory, or how long somebody waits. A number
 * that only its own file has a use for stands there.
 *
 * @module
 */

/** Longest key name, in bytes of UTF-8. */
export const KEY_BYTES_MAX = 4096;

/** Smallest chunk that the chunker cuts, unless the file ends before. */
export const CHUNK_BYTES_MIN = 128 * 1024;
/** Average that the chunker aims at. */
export const CHUNK_BYTES_AVG = 512 * 1024;
/** Largest chunk. */
export const CHUNK_BYTES_MAX = 2 * 1024 * 1024;

/** Most plaintext bytes that one sealed object holds: a chunk, a manifest piece, the bodies of a segment. */
export const PLAIN_BYTES_MAX = 2 * 1024 * 1024;
/** Shortest sealed object of a vault that pads. */
export const PADDED_BYTES_MIN = 1024;
/** Most bytes a frame of a pack carries; anything larger is refused before it is read. */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** A pack that reaches this size is closed and the next one begun. */
export const PACK_BYTES_TARGET = 128 * 1024 * 1024;
/** Frames wait in memory up to this many bytes before they are written in one go. */
export const PACK_BUFFER_BYTES = 1024 * 1024;
/** Frames that may wait for their index rows before a flush is made anyway. */
export const PENDING_FRAMES_MAX = 16_384;

/** Manifests up to this many encoded bytes lie in the record itself. */
export const INLINE_MANIFEST_BYTES_MAX = 2048;
/** Most delta manifests between a version and a full manifest. */
export const DELTA_CHAIN_MAX = 16;
/** Most chunk references in one manifest: 8 TiB of 512 KiB chunks. */
export const MANIFEST_REFS_MAX = 1 << 24;

/** Inventories up to this many entries lie in the record itself. */
export const INLINE_INVENTORY_ENTRIES_MAX = 32;
/** Most entries of one inventory object. */
export const INVENTORY_ENTRIES_MAX = 65_536;

/** Most records in one segment of a log. */
export const SEGMENT_RECORDS_MAX = 1024;
/** Most bytes of sealed record bodies in one segment. */
export const SEGMENT_BODY_BYTES_MAX = 1024 * 1024;
/** Most parents of one version. */
export const VERSION_PARENTS_MAX = 64;

/** The longest that a timer of the runtime counts; it fires at once if it is asked for more. */
export const TIMER_MS_MAX = 2 ** 31 - 1;
/** The longest span of time that can be asked for: what lies that far back of today is still a `Date`. */
export const SPAN_MS_MAX = 8.64e15;
/** How long a command waits for another process to let go of the home. */
export const LOCK_WAIT_MS = 10_000;
/** Chunks that no record names are kept this long: an interrupted put can go on from them. */
export const ORPHAN_GRACE_MS = 24 * 60 * 60 * 1000;
/** How long a put waits for the copies it was asked to make, unless told otherwise. */
export const COPIES_TIMEOUT_MS = 30_000;
/** Most objects that one request for copies names. */
export const COPY_NEEDS_MAX = 4096;
/** Most objects that wait for being copied in the background; of more the nodes that should hold them find out by the log. */
export const COPY_NEEDS_WAITING_MAX = 65_536;
/** Packs that are rewritten in the background before writers get their turn. */
export const UPKEEP_PACKS_MAX = 4;
/** A pack is rewritten when at least this share of its bytes is dead. */
export const REPACK_DEAD_SHARE = 0.2;

/** Chunks of one file that may be in work at once between the chunker and the store. */
export const CHUNKS_IN_FLIGHT = 8;
/** Chunks a get reads ahead of the one being written. */
export const READ_AHEAD_CHUNKS = 8;
/** Plaintext bytes that a get reads ahead where other nodes have to send them. */
export const READ_AHEAD_FAR_BYTES = 16 * 1024 * 1024;
/** Bytes asked of a file at a time. */
export const READ_BYTES = 4 * 1024 * 1024;

/** Most payload bytes of one frame on the wire; a larger message goes as several, so that others get in between. */
export const WIRE_FRAME_BYTES_MAX = 256 * 1024;
/** Most bytes of one message on the wire: one stored object and what goes with it. */
export const MESSAGE_BYTES_MAX = FRAME_BYTES_MAX + 64 * 1024;
/** Most heads of logs in one message. */
export const HEADS_MAX = 4096;
/** Most members that a node says it has heard of. */
export const HEARD_MAX = 1024;
/** Most bytes of one statement of a network. */
export const STATEMENT_BYTES_MAX = 4096;
/** Most statements, and ids of statements, in one message; together they fit `MESSAGE_BYTES_MAX`. */
export const STATEMENTS_MAX = 4096;
/** Most segments in one message; together they fit `MESSAGE_BYTES_MAX`. */
export const SEGMENTS_MAX = 4096;
/** Most addresses of segments in one answer. */
export const SEGMENT_LIST_MAX = 32_768;
/** Most objects that one message asks after. */
export const HAVE_ADDRESSES_MAX = 4096;
/** Most objects that one message asks to be held. */
export const KEEP_NEEDS_MAX = 4096;
/** Most bytes of a letter between people or scripts, with its signature. */
export const LETTER_BYTES_MAX = 64 * 1024;
/** Most bytes of UTF-8 of a refusal or a farewell; longer ones are cut. */
export const REASON_BYTES_MAX = 1024;

/** Most requests that one end of a channel has under way. */
export const CHANNEL_REQUESTS_MAX = 64;
/** Most of them that may be slow or large; the others are for what keeps the network together. */
export const CHANNEL_BULK_REQUESTS_MAX = 48;
/** Most bytes that the requests of one end which are under way have together. */
export const CHANNEL_ASK_BYTES_MAX = 16 * 1024 * 1024;
/** Answers in the making or waiting to be sent take up to this many bytes; further requests wait. */
export const CHANNEL_REPLY_BYTES_MAX = 32 * 1024 * 1024;
/** What control messages may take beyond {@link CHANNEL_REPLY_BYTES_MAX}, in bytes. */
export const CHANNEL_CONTROL_REPLY_BYTES_MAX = 8 * 1024 * 1024;
/** Most large messages of one direction that take turns, frame by frame. */
export const CHANNEL_INTERLEAVED_MAX = 8;
/** Events that wait to be sent take up to this many bytes; further ones are dropped. */
export const CHANNEL_EVENT_BYTES_MAX = 8 * 1024 * 1024;
/** How long an answer is waited for. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** How long the answer to `keep` is waited for, as objects travel meanwhile. */
export const KEEP_TIMEOUT_MS = 10 * 60_000;
/** Handshakes of TLS that were given up and wait for the other end all the same, before a listener puts a relay in front. */
export const STUCK_HANDSHAKES_MAX = 256;
/** How long the last words of a channel may take. */
export const CHANNEL_FAREWELL_MS = 1000;

/** Most members of a network, evicted ones left out. */
export const MEMBERS_MAX = 1024;
/** Most evictions that a network remembers. */
export const EVICTIONS_MAX = 1024;
/** Most bytes of all statements of a network. */
export const ROSTER_BYTES_MAX = 4 * 1024 * 1024;
/** Most bytes of statements in one message; who lacks more asks again. */
export const ROSTER_REPLY_BYTES_MAX = 256 * 1024;
/** Most members that one ticket admits. */
export const TICKET_MEMBERS_MAX = 16;
/** How long a ticket admits. */
export const TICKET_LIFE_MS = 7 * 24 * 60 * 60 * 1000;
/** Most addresses that a member says it is reached at. */
export const MEMBER_ADDRESSES_MAX = 8;
/** Most bytes of an address, and of a member's name. */
export const MEMBER_TEXT_BYTES_MAX = 255;
/** Most bytes of a node's certificate. */
export const CERTIFICATE_BYTES_MAX = 2048;
/** Most members that an eviction names as staying, though they came with the same ticket. */
export const EVICTION_SPARED_MAX = 100;
/** Copies of an object that a network keeps if its authority says nothing else. */
export const REPLICAS_DEFAULT = 3;
/** Most copies of an object that a network can be asked to keep. */
export const REPLICAS_MAX = 255;
/** Most capacity that a member can claim, GiB. */
export const WEIGHT_GIB_MAX = 1 << 24;
/** Most secrets that a node remembers of a network: it is evicted from that many times before the oldest are useless. */
export const NETWORK_SECRETS_MAX = 64;
/** Most characters of a token that is looked at. */
export const TOKEN_CHARS_MAX = 16 * 1024;
/** Most bytes of a home's network file. */
export const NETWORK_FILE_BYTES_MAX = 8 * 1024 * 1024;

/** Parts that the addresses are divided into; each is placed as a whole. By the first 12 bits of an address. */
export const PARTITIONS = 4096;
/** A record's clock may be this far ahead of ours before it is refused. */
export const CLOCK_AHEAD_MS_MAX = 10 * 60_000;
/** An answer gives segments up to this many bytes, but always one. */
export const SEGMENTS_REPLY_BYTES = 1024 * 1024;
/** Logs that are pulled at the same time. */
export const LOG_PULLS_MAX = 4;
/** How often the heads of peers are held against ours. */
export const HEADS_CHECK_MS = 2000;
/** With so many peers heads are exchanged at a time: what one knows, all tell. */
export const HEADS_COMPARED_MAX = 4;
/** What has just been entered is on its way to others for so long: that they don't know it yet is no reason to ask. */
export const HEADS_SETTLE_MS = 1000;
/** A peer that never was at rest is asked again after so long, if its heads are others than ours. */
export const HEADS_AGAIN_MS = 30_000;
/** A segment list that brought nothing is not asked for again until then, unless a log grew. */
export const SEGMENT_LIST_AGAIN_MS = 60_000;
/** A peer that gave nothing of use for a log is asked for it again after this long. */
export const LOG_AGAIN_MS = 15_000;
/** News of logs that came from others wait this long, as those others tell them too. */
export const ANNOUNCE_DELAY_MS = 100;

/** How long an object is looked for before it counts as out of reach. */
export const FETCH_MS_MAX = 30_000;
/** Another holder is asked too after this long at the earliest. */
export const HEDGE_MS_MIN = 50;
/** Holders that are asked for one object at the same time. */
export const HEDGE_PEERS_MAX = 3;
/** How long a fetch waits for a holder whose session is just not up. */
export const FETCH_UP_WAIT_MS = 3000;
/** Whoever sent wrong bytes is asked last this long. */
export const LIAR_MS = 10 * 60_000;

/** Bytes on their way to one peer ahead of being asked for: nearly all that {@link CHANNEL_ASK_BYTES_MAX} lets through. */
export const PUSH_BYTES_IN_FLIGHT = 15 * 1024 * 1024;
/** Bytes of objects that wait to be pushed, or are on their way, and need not be read back as they are still in memory. */
export const PUSH_HELD_BYTES = 24 * 1024 * 1024;
/** Objects that wait to be pushed to one peer: their bytes; what is over is left to `keep`. */
export const PUSH_QUEUE_BYTES = 64 * 1024 * 1024;
/** Objects that wait to be pushed to one peer. */
export const PUSH_QUEUE_OBJECTS = 4096;
/** Bytes on their way to us for one `keep`. */
export const KEEP_BYTES_IN_FLIGHT = 8 * 1024 * 1024;
/** Objects on their way to us for one `keep`. */
export const KEEP_OBJECTS_IN_FLIGHT = 16;
/** Requests `keep` of one peer that are worked on at the same time; more are refused. */
export const KEEPS_PER_PEER_MAX = 4;
/** What one `keep` asks for at most when we are the ones who ask, so that it ends in foreseeable time. */
export const KEEP_BATCH_BYTES = 64 * 1024 * 1024;
/** What a peer has said that it holds is not asked of it again for this long. */
export const KEPT_MS = 60_000;
/** Such answers that are remembered, of all peers. */
export const KEPT_REMEMBERED_MAX = 32_768;
/** How long a `keep` waits for the log that it names. */
export const KEEP_LOG_WAIT_MS = 30_000;
/** How long a put that wants more copies waits for members whose session is just not up. */
export const REPLICATE_UP_WAIT_MS = 10_000;
/** What was fetched to be read, and kept because it belongs here, is durable after about this long. */
export const COPY_FLUSH_MS = 1000;
/** What was kept or pushed is neither collected nor dropped as surplus for this long. */
export const PIN_MS = 60 * 60_000;
/** Objects that are pinned at most; the oldest pins go first. */
export const PINS_MAX = 65_536;

/** Work that could take long lets others in after this much time. */
export const SLICE_MS = 10;
/** Steps after which it lets others in even if the clock stands still. */
export const SLICE_STEPS = 4096;
/** Steps of the vault's long work, each well below a millisecond, after which it lets others in. */
export const PACE_STEPS = 32;
/** Missing objects that are remembered; the rest is found when these are there. */
export const MISSING_MAX = 65_536;
/** Missing objects that are fetched before it is seen what else there is to do. */
export const REPAIR_BATCH = 1024;
/** Missing objects that travel at the same time, for each peer that is up. */
export const REPAIR_OBJECTS_PER_PEER = 8;
/** Missing objects that travel at the same time take up to this many bytes. */
export const REPAIR_BYTES_IN_FLIGHT = 32 * 1024 * 1024;
/** Repaired objects are made durable after this many bytes. */
export const REPAIR_FLUSH_BYTES = 32 * 1024 * 1024;
/** What a new record needs is repaired after this long: its writer is about to send it. */
export const REPAIR_GRACE_MS = 1500;
/** What nobody could give is asked for again after this long. */
export const REPAIR_AGAIN_MS = 15_000;
/** All that we should hold is gone through this often. */
export const LIVE_SCAN_MS = 60 * 60_000;
/** For an hour after a prune this often: a version made without knowing of it may need again what it dropped. */
export const PRUNED_SCAN_MS = 10 * 60_000;
/** A change of the view is this old before surplus goes. */
export const SURPLUS_DELAY_MS = 60_000;
/** Objects that others confirm before they are dropped, at a time. */
export const SURPLUS_BATCH = 1024;
/** Stored bytes that are checked in a second, in the background. */
export const SCRUB_BYTES_PER_SECOND = 20 * 1024 * 1024;
/** A pass over all that is stored takes this long at least. */
export const SCRUB_PASS_MS_MIN = 60 * 60_000;
/** Garbage is collected this often, prunes aside. */
export const COLLECT_MS = 60 * 60_000;
/** A collection waits this long for the others to know the same records. */
export const COLLECT_WAIT_MS = 10 * 60_000;

/** Command lines that the resident node runs at once, those that only watch among them. */
export const CONTROL_CLIENTS_MAX = 256;
/** How long a client of the control socket may take to say what it wants. */
export const CONTROL_HELLO_MS_MAX = 10_000;
/** Most bytes of messages for people that wait for a client which doesn't read them. */
export const CONTROL_ERROR_BYTES_MAX = 4 * 1024 * 1024;
/** How long command lines may go on when the node is asked to stop. */
export const DRAIN_MS_MAX = 10_000;
/** How long cancelled ones may take to clean up. */
export const ABANDON_MS_MAX = 2000;

/** Most bytes of one message of a handshake. */
export const HANDSHAKE_MESSAGE_BYTES_MAX = 8 * 1024;
/** How long a handshake may take in all. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Most connections in handshake that others began; beyond, the oldest goes. */
export const HANDSHAKES_MAX = 256;
/** Most sessions of a node. */
export const SESSIONS_MAX = 1024;

/** How long connecting to one address may take. */
export const DIAL_TIMEOUT_MS = 4000;
/** Connections that are being made at the same time. */
export const DIALS_MAX = 64;
/** A member that can't be reached is dialled again after this long at first, doubled each time. */
export const REDIAL_DELAY_MS_MIN = 500;
/** And after this long at most. */
export const REDIAL_DELAY_MS_MAX = 60_000;
/** Of two members that hear of each other the one with the larger id waits this long before it dials. */
export const DIAL_POLITENESS_MS = 1000;
/** Addresses to try that come from the command line, the local network and tokens. */
export const DIAL_ADDRESSES_MAX = 256;
/** Members are pinged this often. */
export const PING_MS = 5000;
/** A session over which nothing came for this long is dead. */
export const SILENCE_MS_MAX = 15_000;
/** How long a session that may be dead has to show that it isn't. */
export const ALIVE_CHECK_MS = 3000;
/** A member of which nobody has heard for this long is absent, unless said otherwise. */
export const DOWN_AFTER_MS = 10 * 60_000;
/** Statements of others are saved within this time. */
export const ROSTER_SAVE_MS = 1000;
/** Rosters that stay different are exchanged this often. */
export const ROSTER_AGAIN_MS = 30_000;
/** Answers in which a roster is fetched at most, before what is left waits for the next time. */
export const ROSTER_ROUNDS_MAX = 64;
/** New statements that a member may send at once. */
export const NEWS_BURST = 256;
/** And in a second, on and on; the rest waits for the next exchange of rosters. */
export const NEWS_PER_SECOND = 8;
/** Statements that a session may bring which are refused, before it is closed. */
export const REFUSED_STATEMENTS_MAX = 64;
/** Who broke the protocol is let in again after this long. */
export const OUTCAST_MS = 5 * 60_000;
/** How long requests under way may take when a session makes place for another. */
export const SESSION_DRAIN_MS = 2000;
/** Remote addresses and reasons of refused connections that are remembered, so that each is told once. */
export const REFUSALS_REMEMBERED_MAX = 1024;
/** A refused connection is told again after this long. */
export const REFUSAL_AGAIN_MS = 10 * 60_000;
/** Most bytes of UTF-8 of a message between people. */
export const MAIL_TEXT_BYTES_MAX = 4096;
/** Events that wait for a listener which doesn't take them; the oldest go. */
export const EVENT_QUEUE_MAX = 1024;
/** Listeners to events at once. */
export const EVENT_LISTENERS_MAX = 256;
/** Letters that wait to be sent. */
export const MAIL_QUEUE_MAX = 256;
/** A collection that gave way to someone who was writing, or that a prune asks for, begins after this long. */
export const COLLECT_AGAIN_MS = 5000;
/** How often the rate of healing is measured, and news of it are told. */
export const HEAL_SAMPLE_MS = 5000;
/** How often surplus is looked for while others write. */
export const SURPLUS_SCAN_MS = 10 * 60_000;
/** Bytes that are scrubbed at a time. */
export const SCRUB_STEP_BYTES = 4 * 1024 * 1024;

/** The local network is asked for nodes this often. */
export const LAN_ASK_MS = 60_000;
/** Services of the local network that are remembered before all are forgotten. */
export const LAN_SERVICES_MAX = 1024;

/** Objects that are fetched at once when a whole vault is brought here. */
export const FETCH_ALL_IN_FLIGHT = 16;
/** So many fetched bytes are made durable at a time. */
export const FETCH_ALL_FLUSH_BYTES = 64 * 1024 * 1024;

/** Bytes that one peer may have stored here ahead of the records that name them. */
export const AHEAD_BYTES_MAX = 64 * 1024 ** 3;
