/* Multiply-and-fold over 16 bytes a turn: several GB/s, which keeps the scan of a 1 GB file I/O
 * bound. */
#include "editor/hash.h"

#include <string.h>
#include <sys/random.h>

#define HASH_M1 0x9e3779b97f4a7c15ULL
#define HASH_M2 0xd6e8feb86659fd93ULL

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

uint64_t hash_key(void)
{
	uint64_t key = 0;

	if (getrandom(&key, sizeof key, GRND_NONBLOCK) != (ssize_t)sizeof key)
		key = HASH_M1;
	return key | 1;
}

uint64_t hash_bytes(uint64_t key, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = key ^ fold(n ^ HASH_M1, HASH_M2), a, b;

	for (; n >= 16; p += 16, n -= 16) {
		memcpy(&a, p, 8);
		memcpy(&b, p + 8, 8);
		h = fold(a ^ HASH_M2 ^ h, b ^ HASH_M1 ^ (h >> 32));
	}
	a = b = 0;
	if (n > 0)
		memcpy(&a, p, n > 8 ? 8 : n);
	if (n > 8)
		memcpy(&b, p + 8, n - 8);
	return fold(a ^ HASH_M2 ^ h, b ^ HASH_M1 ^ n) ^ (h << 1 | h >> 63);
}
