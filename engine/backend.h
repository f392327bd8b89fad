/*
 * A backend runs what the reconciler decided: it creates and removes instances, observes them, moves
 * traffic, builds images, prepares executions.  Rows of backend_table.c: local (Docker API through the
 * runtime broker), sim (in memory, with scripted faults), kube (a later issue).
 *
 * Every call is blocking and made from worker threads, several at a time: implementations are
 * thread-safe.  Only reconcile.c, the jobs it starts and the exec handler call a backend.  Calls are
 * idempotent by name: repeating one after a crash is harmless.
 */
#ifndef ENGINE_BACKEND_H
#define ENGINE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

struct json_t;

struct backend_kv {
	char *name;
	char *value;
};

enum backend_mount_kind {
	BACKEND_MOUNT_WORKSPACE, /* the project's files */
	BACKEND_MOUNT_HOME,      /* the dev container's home, kept with the project */
	BACKEND_MOUNT_VOLUME,    /* named volume `source`, made when absent */
	BACKEND_MOUNT_EDGE,      /* folder with was.sock of traffic slot `source` (decimal) */
	BACKEND_MOUNT_TMP,       /* a tmpfs */
};

struct backend_mount {
	enum backend_mount_kind kind;
	char source[128];
	char target[128];
	bool read_only;
};

#define BACKEND_MOUNTS 8

/* One container to be: the manifest.  Pure data, made by manifest.c, owned by its maker. */
struct backend_spec {
	char name[80];            /* unique: "p12-prod-was-3-r7", "p12-dev", "op31-build" */
	int64_t project;
	char env[8];              /* "dev", "prod"; "ide" for the dev container; "job" for one-off runs */
	char tier[8];             /* "web", "was", "db", "dev", "job" */
	int n;                    /* instance number from 1 */
	int release;              /* release version, 0 = none */
	char image[256];          /* id in the image store, or digest */
	char **argv;              /* NULL-terminated; NULL = the image's */
	struct backend_kv *env_vars;
	size_t nenv;
	struct backend_mount mounts[BACKEND_MOUNTS];
	size_t nmounts;
	char network[64];         /* made when absent; "" = none */
	char alias[32];           /* DNS name there, or "" */
	char hostname[64];
	char workdir[128];
	uint32_t uid, gid;
	char user_name[32];       /* passwd entry for uid in the dev container, or "" */
	int64_t memory;           /* bytes, 0 = no limit */
	int cpu_milli;            /* thousandths of a core, 0 = no limit */
	int pids;                 /* 0 = no limit */
	bool read_only_root;
	int port;                 /* where it listens, 0 = none */
	char health[128];         /* HTTP path, "" = readiness is the image's own check or running */
	int stop_grace_s;
	uint64_t generation;      /* hash of everything above: differs = replace */
};

enum backend_state {
	BACKEND_STARTING, BACKEND_RUNNING, BACKEND_EXITED, BACKEND_UNKNOWN
};

struct backend_instance {     /* one observed container */
	char name[80];
	int64_t project;
	char env[8], tier[8];
	int n, release;
	uint64_t generation;
	char image[256];          /* digest */
	enum backend_state state;
	int exit_code;            /* when exited */
	char address[64];         /* IP in its network, "" if none */
	int64_t started_ms;       /* unix ms */
	double cpu;               /* percent of one core since the last look, < 0 unknown */
	int64_t memory;           /* bytes, < 0 unknown */
	bool ready;               /* of an environment that is applied whole: it serves */
	char why[220];            /* where its start stands, or why it does not start; or "" */
	bool stuck;               /* it does not start as things are */
};

struct backend_list {
	struct backend_instance *items; /* heap; backend_list_clear() */
	size_t n;
};

/* Where traffic for one env of one project goes: a slot of the edge (local backend). */
struct backend_route {
	int64_t project;
	char env[8];
	int slot;                 /* 0..edge.slots-1, assigned by the store */
	char host[254];           /* "shop.alice.lab.localhost" */
	char target[32];          /* the cluster that it runs in, "" = the lab's own */
};

#define BACKEND_ENV_TIERS 3

struct backend_tier {
	struct backend_spec spec; /* of its first instance */
	int want;
	int min, max;             /* load decides, within these; max 0 = want it is */
	int cpu;                  /* then: percent of one core that each may take */
};

/* An environment as a whole, for backends that look after instances themselves. */
struct backend_env {
	int64_t project;
	char env[8];
	char name[64], owner[64]; /* of the project */
	char host[254];
	char target[32];          /* as of the route */
	const struct backend_route *route; /* NULL: only looked at, or removed */
	struct backend_tier tiers[BACKEND_ENV_TIERS]; /* db, was, web: those that there are */
	size_t ntiers;
};

struct backend_env_state {
	struct backend_list list; /* its instances; the caller's */
	bool complete;            /* all that is wanted serves, and nothing else is left */
	bool preparing;           /* an image is being pulled, or a volume mounted: nothing has begun yet */
	bool failed;              /* and waiting will not help */
	int ending;               /* instances on their way out, which may still answer what they began */
	char why[300];            /* what is missing, in words */
	char blamed[80];          /* instance that failed, or "" */
};

struct backend_traffic {      /* what the edge measures for one tier of a slot */
	double rps;               /* < 0 unknown */
	int64_t active;           /* requests in flight */
	int64_t errors;           /* since start */
};

/* How tickets begin that kube.exec_socket takes; all others are runtime.exec_socket's. */
#define BACKEND_TICKET_POD "pod:"

struct backend_exec {
	char name[80];            /* container */
	char **argv;              /* NULL-terminated */
	struct backend_kv *env_vars;
	size_t nenv;
	char workdir[128];
	uint32_t uid, gid;        /* identity inside */
	bool tty;
	int rows, cols;
	uint32_t peer_uid;        /* only this uid may present the ticket */
};

struct backend_image {
	char id[64];              /* "python", "django-run", "app/p12" ... */
	char tag[64];             /* "latest", "op31"; "" = it lost its name */
	char digest[128];
	char parent[64];
	int64_t size;
	int64_t created_ms;
	int containers;           /* made of it, running or not */
	bool current;             /* its recipe and its parent would make it so again */
	char *labels;             /* of a stack's image: heap, a JSON object of strings; or NULL */
};

struct backend_images {
	struct backend_image *items;
	size_t n;
};

#define BACKEND_DIGEST 72     /* "sha256:" and 64 hex digits */

struct backend_stored {       /* a tag in the repository */
	char repository[128];     /* "stack/python", "app/p12", "save/p12" */
	char tag[128];
	char digest[BACKEND_DIGEST]; /* of the manifest */
	char image[BACKEND_DIGEST];  /* the image's own, as in struct backend_image */
	char parent[64];
	int64_t size;             /* bytes in the repository: layers, config, manifest */
	int layers;
	int64_t created_ms;
};

struct backend_stored_list {
	struct backend_stored *items; /* heap; backend_stored_clear() */
	size_t n;
};

/* A line of output of a build or job; text is untrusted. */
typedef void backend_line_cb(void *arg, const char *line, size_t len);
/* Polled by long calls: true = stop, fail with CL_FAILED "cancelled". */
typedef bool backend_cancel_cb(void *arg);

struct backend_job {
	backend_line_cb *line;
	backend_cancel_cb *cancelled; /* may be NULL */
	void *arg;
	int timeout_s;
};

/* Make an application image: run `build` in image `from` with the workspace at /src read-only and
 * /app writable, then copy /app into a container of image `onto` and commit it as `id`. */
struct backend_build {
	char id[64];              /* "app/p12" */
	int64_t project;
	int64_t op;
	char from[256], onto[256];
	char **build;             /* argv run in /app after the sources were copied there; NULL = none */
	char **cmd;               /* the new image's command */
	uint32_t uid, gid;
	struct backend_kv *labels;
	size_t nlabels;
	int64_t memory;
};

/* Make an application image by the project's own Containerfile. */
struct backend_file {
	char id[64];              /* "app/p12"; the image is ID:opN */
	int64_t project, op;
	const char *text;         /* the file */
	size_t len;
	const char *const *images; /* ids of the images that FROM may name, NULL-terminated */
	bool any;                 /* and those of any registry */
	int64_t memory;
};

struct backend_file_made {
	char digest[128];
	int port;                 /* that it exposes, 0 = it does not say */
};

/* Fill an empty workspace (replace: any) from an upload or a URL. */
struct backend_import {
	int64_t project;
	uint32_t uid, gid;        /* of the workspace */
	uint32_t uploader;        /* uid that uploaded */
	char upload[65];          /* the upload's ticket, or "" */
	char url[2048];           /* with its credentials, or "" */
	char branch[256];
	int depth;                /* of git's history, 0 = all */
	bool replace;
};

struct backend_imported {
	int64_t bytes;
	int files;
	char stack[32];           /* what an export says of itself, or "" */
	char top[32768];          /* names at its top, one a line */
	char note[512];
};

/* A ticket for bytes between a client and the lab (engine/api/exec_proto.h). */
struct backend_transfer {
	bool is_export;           /* else an upload, */
	bool is_backup;           /* or a backup of everything (the database's copy is made) */
	uint32_t peer_uid;        /* who may present it */
	int64_t project;          /* of an export, with all that follows */
	uint32_t uid, gid;
	char format[16];          /* "tar.gz", "zip" ... */
	char prefix[64];          /* folder in the archive */
	char *extra;              /* JSON object of further files, name -> text; NULL = none */
};

/* A save of a project's dev container and workspace, as two images of the store. */
struct backend_save {
	char name[32];            /* "p12-s34": the images are save/NAME and work/NAME */
	int64_t project, op;
	uint32_t uid, gid;        /* the project's */
	char container[80];       /* may be absent: then what it would be made of, */
	char image[256];          /* id or digest */
	char base[256];           /* the stack's, to compare packages with */
	char parent[128];         /* digest of the work image before, "" = everything anew */
	int64_t max_bytes, max_files;
};

struct backend_saved {
	char dev[128], work[128]; /* digests */
	char *report;             /* JSON, at most 4 MiB; heap, the caller's */
};

struct backend_load {
	int64_t project, op;
	uint32_t uid, gid;
	char dev[128], work[128];
	int64_t max_bytes;
};

struct backend_change {       /* a thing happened to a container of ours */
	char name[80];
	char what[16];            /* "start", "die", "oom", "remove", "resync" = look at everything; "away": a
				   * cluster does not answer, name says why; "back": it does again */
	int exit_code;
};

struct backend;

struct backend_ops {
	const char *name;
	/* What a look at an environment that nobody asked about takes of the backend: with n environments each is looked at every
	 * n x round_ms at most.  0: nothing worth counting. */
	int round_ms;
	int (*open)(struct backend *b, struct cl_err *err);
	void (*close)(struct backend *b);
	/* Is the runtime there?  CL_UNAVAILABLE with the reason and the fix when it is not. */
	int (*ping)(struct backend *b, struct cl_err *err);
	/* Create and start when absent; start when stopped; leave alone when running. */
	int (*apply)(struct backend *b, const struct backend_spec *spec, struct cl_err *err);
	int (*remove)(struct backend *b, const char *name, int grace_s, struct cl_err *err);
	/* project 0 = all of ours.  with_stats fills cpu and memory. */
	int (*observe)(struct backend *b, int64_t project, bool with_stats, struct backend_list *out,
	    struct cl_err *err);
	/* One readiness probe: 0 ready, -1 not yet with the reason. */
	int (*probe)(struct backend *b, const struct backend_instance *i, int port, const char *path,
	    struct cl_err *err);
	/* Traffic.  route_set: host name of a slot.  route_add: instance (address:port) serves tier
	 * web or was.  route_drain: no new requests, returns when none is in flight or after
	 * timeout_s, then it is out.  route_sync: exactly these are in (after an edge restart). */
	int (*route_set)(struct backend *b, const struct backend_route *r, struct cl_err *err);
	int (*route_unset)(struct backend *b, const struct backend_route *r, struct cl_err *err);
	int (*route_add)(struct backend *b, const struct backend_route *r, const char *tier,
	    const char *name, const char *address, int port, struct cl_err *err);
	int (*route_drain)(struct backend *b, const struct backend_route *r, const char *tier,
	    const char *name, int timeout_s, struct cl_err *err);
	/* Names now in, newline-separated, into out. */
	int (*route_list)(struct backend *b, const struct backend_route *r, const char *tier,
	    struct buf *out, struct cl_err *err);
	int (*route_stats)(struct backend *b, const struct backend_route *r, const char *tier,
	    struct backend_traffic *out, struct cl_err *err);
	/* One-off container: run to its end, remove it; exit status in *status. */
	int (*run)(struct backend *b, const struct backend_spec *spec, const struct backend_job *job,
	    int *status, struct cl_err *err);
	int (*logs)(struct backend *b, const char *name, int tail, bool follow,
	    const struct backend_job *job, struct cl_err *err);
	/* ticket (>= 65 bytes) for engine/api/exec_proto.h */
	int (*exec)(struct backend *b, const struct backend_exec *e, char *ticket, size_t size,
	    struct cl_err *err);
	int (*build)(struct backend *b, const struct backend_build *spec, const struct backend_job *job,
	    char *digest, size_t size, struct cl_err *err);
	/* The same by a Containerfile of the project's own. */
	int (*build_file)(struct backend *b, const struct backend_file *spec,
	    const struct backend_job *job, struct backend_file_made *out, struct cl_err *err);
	/* A stack's image from its folder (images/<folder>/<file>), id as its name. */
	int (*image_build)(struct backend *b, const char *folder, const char *file, const char *id,
	    const struct backend_job *job, struct cl_err *err);
	int (*image_list)(struct backend *b, struct backend_images *out, struct cl_err *err);
	int (*image_remove)(struct backend *b, const char *id, struct cl_err *err);
	/* Into the repository as repository:tag: an image id, "id:tag" or digest.  Complete or
	 * absent, whatever happens.  digest (>= 72 bytes): the manifest's, read back and checked. */
	int (*image_push)(struct backend *b, const char *image, const char *repository,
	    const char *tag, const struct backend_job *job, char *digest, size_t size,
	    struct cl_err *err);
	/* From there, named id:tag (tag "" = the plain id).  image: the image's own digest. */
	int (*image_pull)(struct backend *b, const char *repository, const char *digest,
	    const char *id, const char *tag, const struct backend_job *job, char *image, size_t size,
	    struct cl_err *err);
	/* Nameless images that builds left, older than min_age_s; dry: only lines. */
	int (*image_prune)(struct backend *b, bool dry, int min_age_s, const struct backend_job *job,
	    int64_t *count, int64_t *bytes, struct cl_err *err);
	/* The repository: what is stored under which tag; removing a manifest with all its tags; and
	 * giving back the space of what no tag reaches (pushes wait meanwhile; dry: only says so). */
	int (*stored_list)(struct backend *b, struct backend_stored_list *out, struct cl_err *err);
	int (*stored_remove)(struct backend *b, const char *repository, const char *digest,
	    struct cl_err *err);
	int (*stored_gc)(struct backend *b, bool dry, const struct backend_job *job,
	    int64_t *freed, struct cl_err *err);
	int (*volume_remove)(struct backend *b, const char *name, struct cl_err *err);
	int (*network_remove)(struct backend *b, const char *name, struct cl_err *err);
	/* The project's files: make the folders (owner uid, group gid, 2770) and copy the template
	 * folder (NULL = empty) as uid; remove them; read one file (<= max bytes) as uid. */
	int (*workspace_create)(struct backend *b, int64_t project, uint32_t uid, uint32_t gid,
	    const char *template_dir, const struct backend_kv *subst, size_t nsubst,
	    struct cl_err *err);
	int (*workspace_remove)(struct backend *b, int64_t project, uint32_t uid, struct cl_err *err);
	int (*workspace_read)(struct backend *b, int64_t project, uint32_t uid, const char *name,
	    size_t max, struct buf *out, struct cl_err *err);
	/* Bytes that a project's folders and its dev container's own layer take; bytes free there.  NULL:
	 * the backend cannot tell. */
	int (*disk_used)(struct backend *b, int64_t project, const char *container, int64_t *used,
	    int64_t *left, struct cl_err *err);
	int (*import)(struct backend *b, const struct backend_import *s, const struct backend_job *job,
	    struct backend_imported *out, struct cl_err *err);
	int (*transfer)(struct backend *b, const struct backend_transfer *t, char *ticket, size_t size,
	    struct cl_err *err);
	/* The user's own folder ${state}/users/<uid> (0700), with swap/ in it; made or removed. */
	int (*user_home)(struct backend *b, uint32_t uid, bool present, struct cl_err *err);
	/* Make both images; repeatable.  Files are read while people work. */
	int (*save)(struct backend *b, const struct backend_save *s, const struct backend_job *job,
	    struct backend_saved *out, struct cl_err *err);
	/* Give the images of a save the names of another, of any project. */
	int (*save_copy)(struct backend *b, const struct backend_load *l, const char *name,
	    struct cl_err *err);
	/* Make the files of a save beside the workspace; put them in its place in one step (repeatable,
	 * without a dev container); or forget them. */
	int (*load)(struct backend *b, const struct backend_load *l, const struct backend_job *job,
	    struct cl_err *err);
	int (*load_swap)(struct backend *b, int64_t project, int64_t op, struct cl_err *err);
	int (*load_drop)(struct backend *b, int64_t project, int64_t op, struct cl_err *err);
	/* Environments as a whole; NULL: instances are made one by one by the calls above.  env_apply
	 * makes it so and does not wait.  env_run: a command beside it, to its end.  env_remove (data: its
	 * databases too): 0 once nothing of it is left, 1 while it goes. */
	int (*env_apply)(struct backend *b, const struct backend_env *e, const struct backend_job *job,
	    struct cl_err *err);
	int (*env_look)(struct backend *b, const struct backend_env *e, struct backend_env_state *out,
	    struct cl_err *err);
	/* All of it was seen to be ready: requests go there from now on. */
	int (*env_ready)(struct backend *b, const struct backend_env *e, struct cl_err *err);
	int (*env_run)(struct backend *b, const struct backend_env *e, const struct backend_spec *spec,
	    const struct backend_job *job, int *status, struct cl_err *err);
	int (*env_remove)(struct backend *b, const struct backend_env *e, bool data, struct cl_err *err);
	/* The environment as objects of a cluster, in the order of their application: a JSON array, the
	 * caller's (NULL: this backend knows no such form).  secrets: with those that hold them. */
	int (*env_manifest)(struct backend *b, const struct backend_env *e, bool secrets,
	    struct json_t **out, struct cl_err *err);
	/* Further clusters, by name; NULL: there are none.  target_add reaches it before it says yes (look) or
	 * only takes note of it; server gets its address.  target_drop: nothing runs there any more. */
	int (*target_add)(struct backend *b, const char *name, const char *kubeconfig, bool look,
	    char *server, size_t size, struct cl_err *err);
	void (*target_drop)(struct backend *b, const char *name);
	/* The machines that instances run on: a JSON array of Host (engine/api/schemas.def), the caller's.
	 * NULL: they run on this one. */
	int (*hosts)(struct backend *b, struct json_t **out, struct cl_err *err);
	/* Watches of clusters, whatever the runtime of this machine does: begun once, ended when nobody listens
	 * any more.  cb is called from other threads.  NULL: there is nothing else to watch. */
	void (*watch_begin)(struct backend *b, void (*cb)(void *arg, const struct backend_change *c),
	    backend_cancel_cb *cancelled, void *arg);
	void (*watch_end)(struct backend *b);
	/* Blocks, calling cb for each change, until cancelled or the runtime is gone (-1). */
	int (*watch)(struct backend *b, void (*cb)(void *arg, const struct backend_change *c),
	    backend_cancel_cb *cancelled, void *arg, struct cl_err *err);
	/* watch() asks cancelled again, now.  NULL: it asks by itself now and then. */
	void (*watch_wake)(struct backend *b);
};

struct backend {
	const struct backend_ops *ops;
	void *ctx;                /* the implementation's */
	char lab[17];             /* identity of this lab, set before open: others may use the same cluster */
	void *cluster;            /* of kube, beside the ctx of local, on which it stands */
};

extern const struct backend_ops *const backend_table[]; /* NULL-terminated */
const struct backend_ops *backend_find(const char *name);
void backend_list_clear(struct backend_list *l);
void backend_images_clear(struct backend_images *l);
void backend_stored_clear(struct backend_stored_list *l);

#endif
