/* Public keys: the blobs are built here, byte by byte, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/sshkey.h"

struct blob {
	uint8_t data[6000];
	size_t n;
};

static struct sshkey k;
static struct cl_err err;

static void
put(struct blob *b, const void *p, size_t n)
{
	b->data[b->n++] = (uint8_t)(n >> 24);
	b->data[b->n++] = (uint8_t)(n >> 16);
	b->data[b->n++] = (uint8_t)(n >> 8);
	b->data[b->n++] = (uint8_t)n;
	memcpy(b->data + b->n, p, n);
	b->n += n;
}

static void
put_str(struct blob *b, const char *s)
{
	put(b, s, strlen(s));
}

static int
parse(const char *line)
{
	err_clear(&err);
	return sshkey_parse(&k, line, &err);
}

static int
parse_blob(const char *type, const struct blob *b, const char *rest)
{
	static char line[20000];
	char text[9000];

	sodium_bin2base64(text, sizeof text, b->data, b->n, sodium_base64_VARIANT_ORIGINAL);
	snprintf(line, sizeof line, "%s %s%s", type, text, rest);
	return parse(line);
}

static void
make_ed25519(struct blob *b, size_t n)
{
	uint8_t point[64];

	memset(point, 7, sizeof point);
	b->n = 0;
	put_str(b, "ssh-ed25519");
	put(b, point, n);
}

static void
make_rsa(struct blob *b, size_t bytes)
{
	uint8_t n[4000];

	memset(n, 0x55, sizeof n);
	n[0] = 0;
	n[1] = 0xc0;
	b->n = 0;
	put_str(b, "ssh-rsa");
	put(b, "\1\0\1", 3);
	put(b, n, bytes + 1);
}

static void
make_ecdsa(struct blob *b, const char *type, const char *curve, size_t point, uint8_t lead)
{
	uint8_t p[200];

	memset(p, 9, sizeof p);
	p[0] = lead;
	b->n = 0;
	put_str(b, type);
	put_str(b, curve);
	put(b, p, point);
}

static void
good_keys_are_taken(void **state)
{
	struct blob b;

	make_ed25519(&b, 32);
	assert_int_equal(parse_blob("ssh-ed25519", &b, " alice@home  my laptop \n"), 0);
	assert_string_equal(k.comment, "alice@home  my laptop");
	assert_int_equal(k.len, b.n);
	assert_memory_equal(k.blob, b.data, b.n);
	assert_int_equal(strncmp(k.fingerprint, "SHA256:", 7), 0);
	assert_int_equal(strlen(k.fingerprint), 50);
	assert_int_equal(parse_blob("  ssh-ed25519", &b, ""), 0);
	make_rsa(&b, 256);
	assert_int_equal(parse_blob("ssh-rsa", &b, ""), 0);
	assert_int_equal(k.bits, 2048);
	make_ecdsa(&b, "ecdsa-sha2-nistp256", "nistp256", 65, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp256", &b, ""), 0);
	make_ecdsa(&b, "ecdsa-sha2-nistp384", "nistp384", 97, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp384", &b, ""), 0);
	make_ecdsa(&b, "ecdsa-sha2-nistp521", "nistp521", 133, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp521", &b, ""), 0);
}

static void
options_and_other_types_are_refused(void **state)
{
	static const char *const types[] = {"command=\"id\" ssh-ed25519", "no-pty ssh-ed25519",
	    "ssh-dss", "ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", "SSH-ED25519",
	    "cert-authority ssh-ed25519", "#", ""};
	struct blob b;

	make_ed25519(&b, 32);
	for (size_t i = 0; i < CL_COUNT(types); i++) {
		assert_int_equal(parse_blob(types[i], &b, ""), -1);
		assert_int_equal(err.code, CL_USAGE);
	}
}

static void
the_blob_must_be_of_the_type_that_is_said(void **state)
{
	struct blob b;

	make_ed25519(&b, 32);
	assert_int_equal(parse_blob("ssh-rsa", &b, ""), -1);
	make_rsa(&b, 256);
	assert_int_equal(parse_blob("ssh-ed25519", &b, ""), -1);
	make_ecdsa(&b, "ecdsa-sha2-nistp256", "nistp384", 97, 4);
	assert_int_equal(parse_blob("ecdsa-sha2-nistp256", &b, ""), -1);
}

static void
malformed_data_is_refused(void **state)
{
	struct blob b;

	make_ed25519(&b, 31);
	assert_int_equal(parse_blob("ssh-ed25519", &b, ""), -1);
	make_ed25519(&b, 33);
	assert_int_equal(parse_blob("ssh-ed25519", &b, ""), -1);
	make_ed25519(&b, 32);
	b.data[b.n++] = 0; /* one byte too many */
	assert_int_equal(parse_blob("ssh-ed25519", &b, ""), -1);
	b.n -= 2; /* one too few */
	assert_int_equal(parse_blob("ssh-ed25519", &b, ""), -1);
	memset(b.data, 0xff, 4); /* a length of 4 GiB */
	assert_int_equal(parse_blob("ssh-ed25519", &b, ""), -1);
	make_ecdsa(&b, "ecdsa-sha2-nistp256", "nistp256", 65, 2); /* compressed point */
	assert_int_equal(parse_blob("ecdsa-sha2-nistp256", &b, ""), -1);
	b.n = 0;
	assert_int_equal(parse_blob("ssh-ed25519", &b, ""), -1);
}

static void
every_cut_of_a_key_is_refused(void **state)
{
	struct blob b, cut;

	make_rsa(&b, 256);
	for (size_t n = 0; n < b.n; n++) {
		cut = b;
		cut.n = n;
		assert_int_equal(parse_blob("ssh-rsa", &cut, ""), -1);
	}
}

static void
weak_rsa_is_refused_with_the_way_out(void **state)
{
	struct blob b;

	make_rsa(&b, 128);
	assert_int_equal(parse_blob("ssh-rsa", &b, ""), -1);
	assert_non_null(strstr(err.message, "1024"));
	assert_non_null(strstr(err.hint, "ed25519"));
	make_rsa(&b, 3000);
	assert_int_equal(parse_blob("ssh-rsa", &b, ""), -1);
}

static void
odd_text_is_refused(void **state)
{
	static const char *const odd[] = {"", " ", "\n", "ssh-ed25519", "ssh-ed25519 ",
	    "ssh-ed25519 !!!!", "ssh-ed25519 AAAA=AAAA", "ssh-ed25519 AAAA AAAA",
	    "-----BEGIN" " OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1\n"};

	for (size_t i = 0; i < CL_COUNT(odd); i++)
		assert_int_equal(parse(odd[i]), -1);
	assert_non_null(strstr(err.hint, ".pub"));
}

static void
comments_cannot_smuggle(void **state)
{
	struct blob b;

	make_ed25519(&b, 32);
	assert_int_equal(parse_blob("ssh-ed25519", &b, " a\nssh-ed25519 AAAA b"), -1);
	assert_int_equal(parse_blob("ssh-ed25519", &b, " a\x1b[31m"), -1);
	assert_int_equal(parse_blob("ssh-ed25519", &b, " a\x80"), -1);
	assert_int_equal(parse_blob("ssh-ed25519", &b, " \xed\x99\x8d\xea\xb8\xb8"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_keys_are_taken),
	    cmocka_unit_test(options_and_other_types_are_refused),
	    cmocka_unit_test(the_blob_must_be_of_the_type_that_is_said),
	    cmocka_unit_test(malformed_data_is_refused),
	    cmocka_unit_test(every_cut_of_a_key_is_refused),
	    cmocka_unit_test(weak_rsa_is_refused_with_the_way_out),
	    cmocka_unit_test(odd_text_is_refused),
	    cmocka_unit_test(comments_cannot_smuggle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
