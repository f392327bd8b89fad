/*
 * Authentication: messages (base/ipc) between the gateway's listener and the engine on
 * ${run}/auth.sock (SOCK_SEQPACKET; the engine serves only peers of uid 0).  Every request
 * carries an id chosen by the listener; replies may come in any order.  The listener never holds
 * a parser of HTTP or JSON, so it does not use the REST interface.
 */
#ifndef ENGINE_API_AUTH_PROTO_H
#define ENGINE_API_AUTH_PROTO_H

enum auth_type {
	/* i64 id; str user; str address; str key: "ssh-ed25519 AAAA..." (no comment);
	 * u32 signed (0: may this key be used, 1: its signature was verified) */
	AUTH_KEY = 0x200,
	/* i64 id; str user; str address; bytes password (<= 1024) */
	AUTH_PASSWORD,
	/* May this user open that project?  i64 id; i64 user id; str owner ("" = own or a
	 * member's); str project ("" = home) */
	AUTH_TARGET,
	/* For the audit log: i64 id (0: no reply); i64 user id or 0; str user as given; str address;
	 * str kind: login, logout, refused, penalty, session, crash; str detail */
	AUTH_NOTE,
	/* One live session, in answer to ROLL: i64 id; u32 uid; str owner and str project (both "" of a
	 * home screen); u32 does it answer; i64 age and i64 idle in ms; u32 n; n x { u32 door; str
	 * user; u32 mode; str address; u32 rows; u32 cols; i64 age; i64 idle } (base/door.h) */
	AUTH_ROW,
	/* After the last ROW, and the answer to KICK: i64 id; u32 ok; if ok u32 how many, otherwise an
	 * error */
	AUTH_DONE,
	/* Answer to KEY and PASSWORD: i64 id; u32 ok; then, if ok: i64 user id; str user; u32 uid;
	 * u32 gid; str role; str fingerprint of the key ("" after a password).  Nothing
	 * distinguishes an unknown user from a wrong key or password. */
	AUTH_REPLY = 0x280,
	/* Answer to TARGET: i64 id; u32 ok; if ok: i64 project id; str owner; str project;
	 * str home directory of the user; str workspace directory ("" for home);
	 * u32 n; n x u32 supplementary gid.  If not ok: an error (ipc_put_err). */
	AUTH_TARGET_REPLY,
	/* Unasked, to every connected listener.  i64 user id; str reason; str fingerprint: "" ends all
	 * that this user has open (account removed, rights changed), otherwise only the connections
	 * that were opened with that key, which is no longer theirs. */
	AUTH_REVOKE,
	/* Who is in which session?  i64 id (the engine's); u32 uid, 0 = everyone */
	AUTH_ROLL,
	/* Close a session or its doors: i64 id; u32 uid; str owner; str project; u32 1 = doors alone;
	 * u32 which door, 0 = all; str what those who are there are told */
	AUTH_KICK,
};

#endif
