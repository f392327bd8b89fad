/* Passwords; see password.h. */
#include "engine/password.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#define AT_ONCE 2
#define RESERVED_MAX 8 /* requests that may hold a worker thread for it */

_Static_assert(PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "room for an argon2id string");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t freed = PTHREAD_COND_INITIALIZER;
static int running;
static int reserved; /* loop's thread only */
static char dummy[PASSWORD_HASH_SIZE]; /* of a random password: nobody's */

static void
enter(void)
{
	pthread_mutex_lock(&lock);
	while (running >= AT_ONCE)
		pthread_cond_wait(&freed, &lock);
	running++;
	pthread_mutex_unlock(&lock);
}

static void
leave(void)
{
	pthread_mutex_lock(&lock);
	running--;
	pthread_cond_signal(&freed);
	pthread_mutex_unlock(&lock);
}

static int
make(const char *password, size_t n, char out[PASSWORD_HASH_SIZE])
{
	memset(out, 0, PASSWORD_HASH_SIZE);
	return crypto_pwhash_str(out, password, n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
	    crypto_pwhash_MEMLIMIT_INTERACTIVE);
}

int
password_hash(const char *password, size_t n, char out[PASSWORD_HASH_SIZE], struct cl_err *err)
{
	int failed;

	enter();
	failed = make(password, n, out);
	leave();
	return failed ? err_set(err, CL_UNAVAILABLE, "password: not enough memory to hash it") : 0;
}

bool
password_matches(const char *hash, const char *password, size_t n)
{
	bool nobody = hash[0] == '\0', ok;
	char secret[16];

	enter();
	pthread_mutex_lock(&lock);
	if (dummy[0] == '\0') {
		randombytes_buf(secret, sizeof secret);
		if (make(secret, sizeof secret, dummy) != 0)
			dummy[0] = '\0';
		sodium_memzero(secret, sizeof secret);
	}
	pthread_mutex_unlock(&lock);
	ok = crypto_pwhash_str_verify(nobody ? dummy : hash, password, n) == 0;
	leave();
	return ok && !nobody;
}

int
password_reserve(struct cl_err *err)
{
	if (reserved >= RESERVED_MAX) {
		err_set(err, CL_UNAVAILABLE, "password: too many are being set at this moment");
		return err_hint(err, "try again in some seconds");
	}
	reserved++;
	return 0;
}

void
password_release(void)
{
	reserved--;
}
