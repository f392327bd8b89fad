/*
 * The door: messages between a session (codinglab-tui) and whoever carries bytes between an SSH
 * channel and it (codinglab-conn).  A session listens on a SOCK_SEQPACKET unix socket that it got
 * as an inherited descriptor; the listener (root) connects, sends DOOR_ADMIT, and hands the
 * connected socket to the connection process, which then speaks as the door.
 *
 *   listener --ADMIT--> session      once, first, from uid 0 (checked by SO_PEERCRED)
 *   door -----HELLO---> session      once, after ADMIT
 *   door --INPUT/RESIZE/ACK--> session
 *   session --FRAME--> door          one frame in flight: no new frame before its ACK
 *   session --AGENT--> door          any time after a HELLO that offered one
 *   session --EXIT | SWITCH--> door  then the session closes
 *
 * Instead of ADMIT the listener may ask or tell something, and the session closes after its answer:
 *
 *   listener --LIST--> session --LISTED--> listener     who is here?
 *   listener --KICK--> session --KICKED--> listener     close a door, or all of them
 *
 * Anything else, or in another order, closes that door only.
 */
#ifndef BASE_DOOR_H
#define BASE_DOOR_H

#define DOOR_VERSION 1
#define DOOR_ROWS_MIN 2
#define DOOR_ROWS_MAX 500
#define DOOR_COLS_MIN 4
#define DOOR_COLS_MAX 1000
#define DOOR_MOST 64 /* of one session */
#define DOOR_AGENT_MAX 64 /* bytes of its path, with the 0 */
#define DOOR_OFFERS_AGENT "CODINGLAB_AGENT=offered"
#define DOOR_AGE_MAX ((int64_t)1 << 50) /* ms */

enum door_mode { DOOR_OWNER, DOOR_PAIR, DOOR_VIEW };

enum door_type {
	DOOR_ADMIT = 0x100, /* str user; u32 mode; str address                        */
	DOOR_HELLO,         /* u32 version; u32 rows; u32 cols; str term;
	                       u32 nenv (<= 64); nenv x { str "NAME=value" }, among
	                       them DOOR_OFFERS_AGENT when the client has one (ssh -A) */
	DOOR_INPUT,         /* bytes (<= IPC_DATA_MAX) typed by the user              */
	DOOR_RESIZE,        /* u32 rows; u32 cols                                     */
	DOOR_ACK,           /* u32 frame: its last byte went into the SSH channel and
	                       nothing is pending there                               */
	DOOR_LIST,          /* nothing                                                */
	DOOR_KICK,          /* u32 door, 0 = all of them; str text for who is there   */
	DOOR_FRAME = 0x180, /* u32 frame; u32 last (0|1); bytes (<= IPC_DATA_MAX)     */
	DOOR_EXIT,          /* u32 exit code 0..255; str text for the user, or ""     */
	DOOR_SWITCH,        /* str target: "" home, "project" or "owner:project"      */
	DOOR_LISTED,        /* i64 age, i64 idle (ms) of the session; u32 n (<= DOOR_MOST); n x { u32
	                       door (from 1); str user; u32 mode; str address; u32 rows; u32 cols;
	                       i64 age; i64 idle }                                    */
	DOOR_KICKED,        /* u32 how many doors were told to go                     */
	DOOR_AGENT,         /* str path, where in the dev container terminals look for the client's
	                       agent ("": no longer); str project, "owner.name".  Only to a door that
	                       offered it                                             */
};

#endif
