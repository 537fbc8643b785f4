/* SPDX-License-Identifier: Apache-2.0
 *
 * Division of 64-bit integers, which LLVM leaves to its run-time library; there is none for this ABI.
 * The names and meanings are those of libgcc. Division by zero gives what it likes, as in C.
 */
#include <stdint.h>

uint64_t __udivdi3(uint64_t a, uint64_t b);
uint64_t __umoddi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);
int64_t __moddi3(int64_t a, int64_t b);

static uint64_t divide(uint64_t a, uint64_t b, uint64_t *rest)
{
    uint64_t quotient = 0;
    int shift;

    if (((a | b) >> 32) == 0 && b != 0) { /* the CPU divides 32 bits */
        *rest = (uint32_t)a % (uint32_t)b;
        return (uint32_t)a / (uint32_t)b;
    }
    if (b == 0 || a < b) {
        *rest = a;
        return 0;
    }
    shift = __builtin_clzll(b) - __builtin_clzll(a);
    b <<= shift;
    for (; shift >= 0; shift--, b >>= 1) {
        quotient <<= 1;
        if (a >= b) {
            a -= b;
            quotient |= 1;
        }
    }
    *rest = a;
    return quotient;
}

static uint64_t magnitude(int64_t a)
{
    return a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
}

uint64_t __udivdi3(uint64_t a, uint64_t b)
{
    uint64_t rest;

    return divide(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b)
{
    uint64_t rest;

    divide(a, b, &rest);
    return rest;
}

int64_t __divdi3(int64_t a, int64_t b)
{
    uint64_t rest, quotient = divide(magnitude(a), magnitude(b), &rest);

    return (int64_t)((a < 0) != (b < 0) ? 0 - quotient : quotient);
}

int64_t __moddi3(int64_t a, int64_t b)
{
    uint64_t rest;

    divide(magnitude(a), magnitude(b), &rest);
    return (int64_t)(a < 0 ? 0 - rest : rest);
}
