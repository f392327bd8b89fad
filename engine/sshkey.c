/* SSH public keys; see sshkey.h. */
#include "engine/sshkey.h"

#include <sodium.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

struct reader {
	const uint8_t *p;
	size_t left;
};

static const struct {
	const char *type, *curve;
	size_t point; /* bytes of an uncompressed point */
	int bits;
} curves[] = {
    {"ecdsa-sha2-nistp256", "nistp256", 65, 256},
    {"ecdsa-sha2-nistp384", "nistp384", 97, 384},
    {"ecdsa-sha2-nistp521", "nistp521", 133, 521},
};

static int
get(struct reader *r, const uint8_t **p, size_t *n)
{
	size_t len;

	if (r->left < 4)
		return -1;
	len = (size_t)r->p[0] << 24 | (size_t)r->p[1] << 16 | (size_t)r->p[2] << 8 | r->p[3];
	if (len > r->left - 4)
		return -1;
	*p = r->p + 4;
	*n = len;
	r->p += 4 + len;
	r->left -= 4 + len;
	return 0;
}

static bool
get_is(struct reader *r, const char *text)
{
	const uint8_t *p;
	size_t n;

	return get(r, &p, &n) == 0 && n == strlen(text) && memcmp(p, text, n) == 0;
}

/* Bits of a positive number in its shortest form; -1 otherwise. */
static int
get_bits(struct reader *r)
{
	const uint8_t *p;
	size_t n;
	int bits;

	if (get(r, &p, &n) < 0 || n == 0 || (p[0] & 0x80) != 0)
		return -1;
	if (p[0] == 0) {
		if (n < 2 || (p[1] & 0x80) == 0)
			return -1;
		p++;
		n--;
	}
	bits = (int)(n - 1) * 8;
	for (int top = p[0]; top != 0; top >>= 1)
		bits++;
	return bits;
}

static int
check_rsa(struct sshkey *k, struct reader *r, struct cl_err *err)
{
	int e = get_bits(r), n = get_bits(r);

	if (e < 2 || e > 64 || n < 0)
		return err_set(err, CL_USAGE, "key: the RSA numbers are malformed");
	if (n < 2048 || n > 16384) {
		err_set(err, CL_USAGE, "key: an RSA key of %d bits is not accepted", n);
		return err_hint(err, "make a new one: ssh-keygen -t ed25519");
	}
	k->bits = n;
	return 0;
}

static int
check_blob(struct sshkey *k, struct cl_err *err)
{
	struct reader r = {k->blob, k->len};
	const uint8_t *p;
	size_t n;

	if (!get_is(&r, k->type))
		return err_set(err, CL_USAGE, "key: its data is of another type than %s", k->type);
	if (strcmp(k->type, "ssh-ed25519") == 0) {
		if (get(&r, &p, &n) < 0 || n != 32)
			return err_set(err, CL_USAGE, "key: the ed25519 data is malformed");
		k->bits = 256;
	} else if (strcmp(k->type, "ssh-rsa") == 0) {
		if (check_rsa(k, &r, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < CL_COUNT(curves); i++) {
		if (strcmp(k->type, curves[i].type) != 0)
			continue;
		if (!get_is(&r, curves[i].curve) || get(&r, &p, &n) < 0 || n != curves[i].point ||
		    p[0] != 4)
			return err_set(err, CL_USAGE, "key: the ecdsa data is malformed");
		k->bits = curves[i].bits;
	}
	return r.left == 0 ? 0 : err_set(err, CL_USAGE, "key: there is more data than the key has");
}

static bool
known_type(const char *type)
{
	for (size_t i = 0; i < CL_COUNT(curves); i++)
		if (strcmp(type, curves[i].type) == 0)
			return true;
	return strcmp(type, "ssh-ed25519") == 0 || strcmp(type, "ssh-rsa") == 0;
}

static int
read_comment(struct sshkey *k, const char *p, size_t n, struct cl_err *err)
{
	size_t max = sizeof k->comment - 1;

	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r'))
		n--;
	if (!utf8_valid(p, n))
		return err_set(err, CL_USAGE, "key: the comment is not UTF-8");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return err_set(err, CL_USAGE, "key: the comment holds control characters");
	if (n > max)
		n = utf8_whole(p, max);
	memcpy(k->comment, p, n);
	k->comment[n] = '\0';
	return 0;
}

static void
make_fingerprint(struct sshkey *k)
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	memcpy(k->fingerprint, "SHA256:", 7);
	crypto_hash_sha256(hash, k->blob, k->len);
	sodium_bin2base64(k->fingerprint + 7, sizeof k->fingerprint - 7, hash, sizeof hash,
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

int
sshkey_parse(struct sshkey *k, const char *line, struct cl_err *err)
{
	size_t n, end;
	const char *stop;

	memset(k, 0, sizeof *k);
	line += strspn(line, " \t");
	if (strncmp(line, "-----BEGIN", 10) == 0) {
		err_set(err, CL_USAGE, "key: this is a key file, perhaps the private one");
		return err_hint(err, "give the line of the .pub file, and keep the other secret");
	}
	end = strcspn(line, "\n");
	if (line[end + strspn(line + end, "\r\n \t")] != '\0')
		return err_set(err, CL_USAGE, "key: one key at a time, in one line");
	n = strcspn(line, " \t\r\n");
	if (n >= sizeof k->type)
		n = 0;
	memcpy(k->type, line, n);
	if (!known_type(k->type)) {
		err_set(err, CL_USAGE, "key: type not accepted, or options before it");
		return err_hint(err, "TYPE BASE64 [COMMENT]; types: ssh-ed25519, "
		    "ecdsa-sha2-nistp256/384/521, ssh-rsa from 2048 bits");
	}
	line += n;
	line += strspn(line, " \t");
	n = strcspn(line, " \t\r\n");
	if (n == 0 || sodium_base642bin(k->blob, sizeof k->blob, line, n, NULL, &k->len, &stop,
	    sodium_base64_VARIANT_ORIGINAL) != 0 || stop != line + n)
		return err_set(err, CL_USAGE, "key: the base64 data is malformed");
	if (check_blob(k, err) < 0)
		return -1;
	line += n;
	line += strspn(line, " \t");
	if (read_comment(k, line, strcspn(line, "\n"), err) < 0)
		return -1;
	make_fingerprint(k);
	return 0;
}
