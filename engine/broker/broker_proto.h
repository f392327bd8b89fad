/*
 * Messages (base/ipc) between the engine and the runtime broker, on ${run}/broker/broker.sock
 * (SOCK_SEQPACKET).  Only root and the engine's uid may speak (SO_PEERCRED).  One connection
 * serves one request at a time, any number in a row:
 *
 *   engine --request--> broker      one of enum broker_verb
 *   engine <--parts---- broker      LINE, INSTANCE, IMAGE, DATA, CHANGE: any number
 *   engine <--end------ broker      OK (with the verb's results) or ERROR
 *
 * During a long verb (RUN, LOGS, BUILD, STAGE_*, IMAGE_BUILD, IMPORT, WATCH, PUSH, PULL,
 * REPOSITORY_GC) the engine may send CANCEL; closing
 * the connection has the same effect.  The broker then removes what the verb had started.
 *
 * A request names things (project id, container name, slot number), never a path of the host, a
 * Docker option or a piece of JSON: the broker computes those itself.  A request that is not well
 * formed ends its connection.
 */
#ifndef ENGINE_BROKER_BROKER_PROTO_H
#define ENGINE_BROKER_BROKER_PROTO_H

#define BROKER_ARGS 64    /* words of a command line */
#define BROKER_ENVS 400   /* environment variables */
#define BROKER_LABELS 32
#define BROKER_SUBSTS 16
#define BROKER_LINE_MAX 8192 /* longer lines of output are cut into pieces of this size */

/*
 * spec:  str name; i64 project; str env; str tier; i32 n; i32 release; str image;
 *        argv; vars; u32 nmounts x { u32 kind; str source; str target; u32 read_only };
 *        str network; str alias; str hostname; str workdir; u32 uid; u32 gid; str user_name;
 *        i64 memory; i32 cpu_milli; i32 pids; u32 read_only_root; i32 port; str health;
 *        i32 stop_grace_s; i64 generation
 * argv:  u32 n x { str word }          n = 0: the image's own
 * vars:  u32 n x { str name; str value }
 */
enum broker_verb {
	BROKER_PING = 0x400,     /* -> OK str runtime ("podman 4.3.1") */
	BROKER_APPLY,            /* spec */
	BROKER_REMOVE,           /* str name; i32 grace_s */
	BROKER_OBSERVE,          /* i64 project (0 all); u32 with_stats -> INSTANCE... */
	BROKER_PROBE,            /* str name: the image's own check -> OK, or ERROR with the reason */
	BROKER_RUN,              /* spec; i32 timeout_s -> LINE... OK i32 status */
	BROKER_LOGS,             /* str name; i32 tail; u32 follow -> LINE... */
	BROKER_EXEC,             /* str name; argv; vars; str workdir; u32 uid; u32 gid; u32 tty;
	                            i32 rows; i32 cols; u32 peer_uid -> OK str ticket */
	BROKER_BUILD,            /* str id; i64 project; i64 op; str from; str onto; argv build; argv cmd;
	                            u32 uid; u32 gid; vars labels; i64 memory; i32 timeout_s
	                            -> LINE... OK str digest */
	BROKER_IMAGE_BUILD,      /* str folder; str file; str id; i32 timeout_s -> LINE... OK str digest */
	BROKER_IMAGE_LIST,       /* -> IMAGE... */
	BROKER_IMAGE_REMOVE,     /* str id */
	BROKER_VOLUME_REMOVE,    /* str name */
	BROKER_NETWORK_REMOVE,   /* str name */
	BROKER_WORKSPACE_CREATE, /* i64 project; u32 uid; u32 gid; str template ("django/template" or
	                            ""); vars substitutions */
	BROKER_WORKSPACE_REMOVE, /* i64 project; u32 uid */
	BROKER_WORKSPACE_READ,   /* i64 project; u32 uid; str name; i64 max -> DATA... */
	BROKER_USER_HOME,        /* u32 uid; u32 present */
	BROKER_SAVE,             /* i64 project; i64 op; u32 uid; u32 gid; str name ("p12-s34");
	                            str container; str image; str base; str parent; i64 max_bytes;
	                            i64 max_files -> LINE... DATA... (the report, JSON)
	                            OK str dev digest; str work digest */
	BROKER_SAVE_COPY,        /* as LOAD; str name: its images get the names of another save */
	BROKER_LOAD,             /* i64 project; i64 op; u32 uid; u32 gid; str work digest;
	                            str dev digest; i64 max_bytes: made beside the workspace */
	BROKER_LOAD_SWAP,        /* i64 project; i64 op: in its place; repeatable */
	BROKER_LOAD_DROP,        /* i64 project; i64 op: not needed after all */
	BROKER_WATCH,            /* -> CHANGE... until cancelled */
	BROKER_PUSH,             /* str image (id, "id:tag" or digest); str repository; str tag;
	                            i32 timeout_s -> LINE... OK str digest of the manifest */
	BROKER_PULL,             /* str repository; str digest; str id; str tag; i32 timeout_s
	                            -> LINE... OK str digest of the image, now id:tag here */
	BROKER_IMAGE_PRUNE,      /* u32 dry; i32 min_age_s: images without a name that builds of ours
	                            left -> LINE... OK i64 how many; i64 bytes */
	BROKER_REPOSITORY_GC,    /* u32 dry; i32 timeout_s -> LINE... OK i64 bytes freed */
	BROKER_IMPORT,           /* i64 project; u32 uid; u32 gid; u32 uploader; str upload; str url;
	                            str branch; i32 depth; u32 replace
	                            -> LINE... OK i64 bytes; i32 files; str stack; str top; str note */
	BROKER_TRANSFER,         /* u32 0; u32 peer_uid: an upload (2: a backup), or
	                            u32 1; u32 peer_uid; i64 project; u32 uid; u32 gid; str format;
	                            str prefix; fd extra: an export -> OK str ticket */
	BROKER_STAGE_BEGIN,      /* i64 project; i64 op; i32 n; str image; u32 pull; i64 memory
	                            -> LINE... OK list env ("NAME=value"); list entrypoint; list cmd;
	                            str user; str workdir; i32 port (list as argv) */
	BROKER_STAGE_RUN,        /* i64 project; i64 op; i32 n; argv; vars; str user; str workdir;
	                            i32 timeout_s -> LINE... OK i32 status */
	BROKER_STAGE_COMMIT,     /* i64 op; i32 n; str id; str tag; str workdir; i32 port;
	                            argv entrypoint; argv cmd; vars; vars labels -> OK str digest */
	BROKER_STAGE_END,        /* i64 project; i64 op: nothing of it stays but the image */
	BROKER_DISK,             /* i64 project; str container -> OK i64 bytes used; i64 bytes left */
	BROKER_CANCEL,           /* ends the running long verb */
	BROKER_VERBS_END,
};

enum broker_reply {
	BROKER_OK = 0x480,
	BROKER_ERROR,            /* an error (ipc_put_err) */
	BROKER_LINE,             /* bytes (<= BROKER_LINE_MAX), without the newline; untrusted */
	BROKER_INSTANCE,         /* str name; i64 project; str env; str tier; i32 n; i32 release;
	                            i64 generation; str image; u32 state (enum backend_state);
	                            i32 exit_code; str address; i64 started_ms;
	                            i64 cpu_ns (used since start, < 0 unknown); i64 memory (< 0 unknown) */
	BROKER_IMAGE,            /* str id; str tag; str digest; str parent; i64 size; i64 created_ms;
	                            i32 containers that are made of it; u32 current (its recipe and parent
	                            would make it so again); str labels (image_facts_short()) */
	BROKER_DATA,             /* bytes (<= IPC_DATA_MAX) */
	BROKER_CHANGE,           /* str name; str what; i32 exit_code */
};

/* The kinds of mount; equal to enum backend_mount_kind (a test compares them). */
enum broker_mount {
	BROKER_MOUNT_WORKSPACE, BROKER_MOUNT_HOME, BROKER_MOUNT_VOLUME, BROKER_MOUNT_EDGE,
	BROKER_MOUNT_TMP, BROKER_MOUNT_KINDS
};

/* Equal to enum backend_state. */
enum broker_state { BROKER_STARTING, BROKER_RUNNING, BROKER_EXITED, BROKER_UNKNOWN };

#endif
