/*
 * Calls to the engine from programs of ours: messages (base/ipc) on a socket beside the HTTP one, whose
 * name is that one's with CALL_SUFFIX (SOCK_SEQPACKET, mode 0666).  The routes, who may take them,
 * their limits and their JSON are the same as over HTTP; one call for each connection, as there.
 *
 *   client --BEGIN, BODY...--> engine      until the body has the length that BEGIN announced
 *   client <--REPLY, DATA...-- engine      until the reply has its length; a stream: until it is closed
 *
 * A stream carries the same text/event-stream as over HTTP, cut anywhere.
 */
#ifndef ENGINE_API_CALL_PROTO_H
#define ENGINE_API_CALL_PROTO_H

#define CALL_SUFFIX ".call"
#define CALL_STREAM UINT32_MAX /* length of a reply that is a stream */

enum call_type {
	CALL_BEGIN = 0x400, /* str method; str target; str Idempotency-Key or ""; str Last-Event-ID or "";
	                       u32 length of the body; bytes, its first ones */
	CALL_BODY,          /* bytes: more of it, at least one */
	CALL_REPLY = 0x480, /* u32 HTTP status; u32 length or CALL_STREAM; str Allow or ""; bytes, the first
	                       ones */
	CALL_DATA,          /* bytes: more of it, at least one */
};

#endif
