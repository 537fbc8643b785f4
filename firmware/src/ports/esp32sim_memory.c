/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions on memory that C compilers take for granted; the four of string.h that we have.
 * By words where both sides allow it.
 */
#include <stdint.h>
#include <string.h>

/* A loop that copies must not become a call of the function that it is. */
#define PLAIN __attribute__((no_builtin))

typedef uint32_t word __attribute__((may_alias));

static int whole_words(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0;
}

PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (whole_words(to, from)) {
        for (; bytes >= sizeof(word); bytes -= sizeof(word), t += sizeof(word), f += sizeof(word))
            *(word *)t = *(const word *)f;
    }
    while (bytes--)
        *t++ = *f++;
    return to;
}

PLAIN void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if ((uintptr_t)t - (uintptr_t)f >= bytes)
        return memcpy(to, from, bytes);
    while (bytes--)
        t[bytes] = f[bytes];
    return to;
}

PLAIN void *memset(void *to, int value, size_t bytes)
{
    const word all = (uint8_t)value * 0x01010101u;
    uint8_t *t = to;

    if (whole_words(to, to)) {
        for (; bytes >= sizeof(word); bytes -= sizeof(word), t += sizeof(word))
            *(word *)t = all;
    }
    while (bytes--)
        *t++ = (uint8_t)value;
    return to;
}

PLAIN int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;

    for (; bytes; bytes--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}
