/* link: cl_client cl_base */
/*
 * Projects as folders of sftp (engine/client/sftp_tree.h): packets of a client, and of a server, of any bytes.  What goes to a server is one
 * whole packet about one project, its paths beneath /workspace and without "..", and the request's id stays; what is answered
 * is one whole packet with that id.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/sftp_packet.h"
#include "engine/client/sftp_tree.h"

static struct sftp_folder folders[] = {{"shop", "alice.shop", "alice", 1}, {"site", "alice.site", "alice", 2}, {"bob.far", "bob.far", "bob", 3}};

static void must(int ok)
{
	if (!ok)
		abort();
}

static void beneath(struct sftp_text t)
{
	static const char base[] = "/workspace";
	size_t n = sizeof(base) - 1;

	must(t.len >= n && memcmp(t.bytes, base, n) == 0 && (t.len == n || t.bytes[n] == '/'));
	must(!memchr(t.bytes, 0, t.len));
	for (size_t i = n; i + 2 < t.len; i++)
		must(memcmp(t.bytes + i, "/..", 3) != 0 || (i + 3 < t.len && t.bytes[i + 3] != '/'));
}

static int is(struct sftp_text t, const char *name)
{
	return t.len == strlen(name) && memcmp(t.bytes, name, t.len) == 0;
}

static void check_paths(struct sftp_in in, int type)
{
	struct sftp_text first = sftp_packet_get(&in);
	int two = type == SFTP_RENAME;

	if (type == SFTP_EXTENDED) {
		two = is(first, "posix-rename@openssh.com") || is(first, "hardlink@openssh.com");
		first = sftp_packet_get(&in);
	}
	if (type == SFTP_SYMLINK)
		first = sftp_packet_get(&in); /* what it leads to is text */
	beneath(first);
	if (two)
		beneath(sftp_packet_get(&in));
	must(!in.bad);
}

static void check(const struct sftp_step *step, const struct buf *out)
{
	struct sftp_in in = {(const uint8_t *)out->data + 4, out->len - 4, false};
	int type;

	must(sftp_packet_whole(out) == (long)out->len);
	type = sftp_packet_get_byte(&in);
	if (type == SFTP_VERSION)
		return;
	must(sftp_packet_get_u32(&in) == step->id);
	if (step->kind == SFTP_TO_FOLDER) {
		must(step->folder >= 0 && (size_t)step->folder < CL_COUNT(folders));
		check_paths(in, type);
	} else if (step->kind == SFTP_TO_SERVER) {
		must(step->server != 0);
	} else {
		must(type > SFTP_SYMLINK && type != SFTP_EXTENDED);
	}
}

static void answer(const uint8_t *data, size_t n)
{
	struct buf out;
	uint32_t id;

	buf_init(&out, 2 * SFTP_PACKET_MAX);
	sftp_tree_answer(5, data, n, &out, &id);
	must(sftp_packet_whole(&out) == (long)out.len);
	buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sftp_tree tree = {.folders = folders, .n = CL_COUNT(folders)};
	struct sftp_step step;
	struct buf in, out;
	long n;

	buf_init(&in, 1 << 20);
	buf_init(&out, 2 * SFTP_PACKET_MAX);
	buf_add(&in, data, size < 65536 ? size : 65536);
	while ((n = sftp_packet_whole(&in)) > 0) {
		buf_drop(&out, out.len);
		sftp_tree_ask(&tree, (const uint8_t *)in.data + 4, (size_t)n - 4, &out, &step);
		if (step.kind == SFTP_NONSENSE)
			break;
		check(&step, &out);
		answer((const uint8_t *)in.data + 4, (size_t)n - 4);
		buf_drop(&in, (size_t)n);
	}
	buf_clear(&in);
	buf_clear(&out);
	return 0;
}
