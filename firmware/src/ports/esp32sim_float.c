/* SPDX-License-Identifier: Apache-2.0
 *
 * What float arithmetic needs beyond the FPU's add, subtract, multiply and convert: the quotient and the
 * conversions of 64-bit integers, which LLVM leaves to its run-time library, and the functions of math.h
 * that kernels use. No double: a use ends as a missing function at the linker.
 */
#include <math.h>
#include <stdint.h>

#define SIGN 0x80000000u
#define INFINITE 0x7F800000u
#define QUIET_NAN 0x7FC00000u
#define HIDDEN 0x00800000u
#define FRACTION_BITS 23
#define BIAS 127

/* Below this every float may have a fraction. */
#define WHOLE 8388608.0f

#define LOG2_E 1.44269504f
/* ln 2 in two parts; the first has 10 bits, so that its product with the exponent is exact */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
#define EXP_OVERFLOWS 88.7228394f
#define EXP_VANISHES -103.972084f

/* Where tanh is 1 to the last bit, and where its series is short. */
#define TANH_IS_ONE 9.1f
#define TANH_SERIES 0.25f

float __divsf3(float a, float b);
float __floatdisf(int64_t a);
int64_t __fixsfdi(float x);

static uint32_t bits_of(float x)
{
    uint32_t bits;

    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;

    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

/* The significand with its leading 1 at bit 23, whatever the number; its exponent goes to `exponent`. */
static uint32_t significand(uint32_t magnitude, int32_t *exponent)
{
    uint32_t fraction = magnitude & (HIDDEN - 1);
    int shift;

    *exponent = (int32_t)(magnitude >> FRACTION_BITS);
    if (*exponent != 0)
        return fraction | HIDDEN;
    shift = __builtin_clz(fraction) - (31 - FRACTION_BITS);
    *exponent = 1 - shift;
    return fraction << shift;
}

/* Rounds to the nearest, ties to even. `quotient` has its leading 1 at bit 26, its last bit is set if
 * anything was cut off; the value is quotient * 2^(exponent - BIAS - 26). */
static uint32_t rounded(uint32_t quotient, int32_t exponent)
{
    uint32_t half = 4, lowest;

    if (exponent >= 2 * BIAS + 1)
        return INFINITE;
    if (exponent < 1) { /* subnormal: fewer bits remain */
        int32_t shift = 1 - exponent;

        if (shift > 27)
            return 0;
        lowest = (quotient & ((1u << shift) - 1)) != 0;
        quotient = quotient >> shift | lowest;
        exponent = 1;
    }
    lowest = quotient >> 3 & 1;
    quotient = (quotient + half - 1 + lowest) >> 3;
    /* a carry out of the fraction raises the exponent, which is right even into infinity */
    return ((uint32_t)(exponent - 1) << FRACTION_BITS) + quotient;
}

/* a / b, correctly rounded. */
float __divsf3(float a, float b)
{
    uint32_t sign = (bits_of(a) ^ bits_of(b)) & SIGN;
    uint32_t x = bits_of(a) & ~SIGN, y = bits_of(b) & ~SIGN;
    uint32_t rest, divisor, quotient = 0;
    int32_t x_exponent, y_exponent, exponent;

    if (x > INFINITE || y > INFINITE)
        return a + b;
    if ((x == INFINITE && y == INFINITE) || (x == 0 && y == 0))
        return float_of(QUIET_NAN);
    if (x == INFINITE || y == 0)
        return float_of(sign | INFINITE);
    if (y == INFINITE || x == 0)
        return float_of(sign);
    rest = significand(x, &x_exponent);
    divisor = significand(y, &y_exponent);
    exponent = x_exponent - y_exponent + BIAS;
    if (rest < divisor) {
        rest <<= 1;
        exponent--;
    }
    /* 27 bits: the first is 1, then what the CPU's division of 32 bits yields at a time */
    rest -= divisor;
    quotient = 1;
    for (int i = 0; i < 4; i++) {
        const int step = i < 3 ? 7 : 5;

        rest <<= step;
        quotient = quotient << step | rest / divisor;
        rest %= divisor;
    }
    return float_of(sign | rounded(quotient | (rest != 0), exponent));
}

/* Of an integer; rounded to the nearest, ties to even. */
float __floatdisf(int64_t a)
{
    uint64_t magnitude = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    uint32_t lowest;
    int zeros;

    if (magnitude == 0)
        return 0.0f;
    zeros = __builtin_clzll(magnitude);
    magnitude <<= zeros;
    /* the leading 1 comes from bit 63 to bit 26 */
    lowest = magnitude << 27 != 0;
    return float_of((a < 0 ? SIGN : 0) | rounded((uint32_t)(magnitude >> 37) | lowest, BIAS + 63 - zeros));
}

/* Towards zero; what does not fit gives what it likes, as in C. */
int64_t __fixsfdi(float x)
{
    uint32_t magnitude = bits_of(x) & ~SIGN;
    int32_t shift = (int32_t)(magnitude >> FRACTION_BITS) - BIAS - FRACTION_BITS;
    uint64_t whole = (magnitude & (HIDDEN - 1)) | HIDDEN;

    if (shift < -FRACTION_BITS)
        return 0;
    whole = shift < 0 ? whole >> -shift : whole << (shift & 63);
    return (int64_t)(x < 0 ? 0 - whole : whole);
}

/* Correctly rounded: the square root of the significand, two bits of it for each of the root's. */
float sqrtf(float x)
{
    uint32_t rest = 0, root = 0;
    int32_t exponent;
    uint64_t radicand;

    if (!(x > 0) || x == INFINITY)
        return x < 0 ? float_of(QUIET_NAN) : x;
    radicand = (uint64_t)significand(bits_of(x), &exponent) << 25;
    exponent -= BIAS;
    if (exponent & 1) {
        radicand <<= 1;
        exponent--;
    }
    for (int at = 48; at >= 0; at -= 2) {
        rest = rest << 2 | (uint32_t)(radicand >> at & 3);
        root <<= 1;
        if (rest > 2 * root) {
            rest -= 2 * root + 1;
            root++;
        }
    }
    /* 24 bits and one to round by; an odd root is never exact, as its square would be odd */
    return float_of(((uint32_t)(exponent / 2 + BIAS - 1) << FRACTION_BITS) + ((root + 1) >> 1));
}

/* Half away from zero, as in C. */
float roundf(float x)
{
    float whole, rest;

    if (!(x < WHOLE && x > -WHOLE))
        return x;
    whole = (float)(int32_t)x;
    rest = x - whole;
    if (rest >= 0.5f)
        whole += 1.0f;
    else if (rest <= -0.5f)
        whole -= 1.0f;
    return float_of(bits_of(whole) | (bits_of(x) & SIGN));
}

/* 2^k for a k that a normal number can have. */
static float power_of_two(int32_t k)
{
    return float_of((uint32_t)(k + BIAS) << FRACTION_BITS);
}

/* x = k ln 2 + r with |r| <= 0.35; the series of exp(r) ends where a float sees no more of it. */
float expf(float x)
{
    float r, sum;
    int32_t k;

    if (!(x < EXP_OVERFLOWS))
        return x + INFINITY; /* not a number stays so */
    if (x < EXP_VANISHES)
        return 0.0f;
    k = (int32_t)(x * LOG2_E + (x < 0 ? -0.5f : 0.5f));
    r = x - (float)k * LN2_HIGH - (float)k * LN2_LOW;
    sum = 1.0f / 720 + r * (1.0f / 5040);
    sum = 1.0f / 120 + r * sum;
    sum = 1.0f / 24 + r * sum;
    sum = 1.0f / 6 + r * sum;
    sum = 1.0f / 2 + r * sum;
    sum = 1.0f + (r + r * r * sum);
    /* in two steps: neither 2^128 nor 2^-150 is a normal number */
    return sum * power_of_two(k / 2) * power_of_two(k - k / 2);
}

/* 1 - 2 / (exp(2x) + 1), which has few digits left where x is small. */
float tanhf(float x)
{
    float magnitude = x < 0 ? -x : x, square = x * x, y;

    if (!(magnitude >= TANH_SERIES)) { /* so not a number stays it */
        y = -17.0f / 315 + square * (62.0f / 2835);
        y = 2.0f / 15 + square * y;
        y = -1.0f / 3 + square * y;
        return x + x * square * y;
    }
    y = magnitude > TANH_IS_ONE ? 1.0f : 1.0f - 2.0f / (expf(2.0f * magnitude) + 1.0f);
    return x < 0 ? -y : y;
}
