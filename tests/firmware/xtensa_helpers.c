/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers records of 32 bytes (operation, two operands, a filler) with the 8 bytes of the result, until its input
 * ends: what LLVM's code for ESP32 computes with the port's run-time helpers.
 */
#include <math.h>
#include <string.h>

#include "esp32sim.h"

struct record {
    uint64_t operation, a, b, filler; /* 128 fill a page: none is read in two parts */
};

#define RECORDS 128

static struct record records[RECORDS] __attribute__((aligned(4096)));
static uint64_t results[RECORDS];
static uint8_t area[64], other[64];

static float float_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float x;

    memcpy(&x, &low, sizeof x);
    return x;
}

static uint64_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Moves a pattern about in an area, and sums what lies where. */
static uint64_t memory(uint32_t operation, uint32_t from, uint32_t to, uint32_t bytes)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < sizeof area; i++)
        area[i] = other[i] = (uint8_t)(i * 7 + 1);
    if (operation == 0)
        memcpy(area + to, other + from, bytes);
    else if (operation == 1)
        memmove(area + to, area + from, bytes);
    else if (operation == 2)
        memset(area + to, (int)from - 300, bytes);
    else
        return (uint64_t)(int64_t)memcmp(area + to, other + from, bytes);
    for (uint32_t i = 0; i < sizeof area; i++)
        sum = sum * 257 + area[i];
    return sum;
}

static uint64_t result(const struct record *r)
{
    switch (r->operation) {
    case 0:
        return r->a / r->b;
    case 1:
        return r->a % r->b;
    case 2:
        return (uint64_t)((int64_t)r->a / (int64_t)r->b);
    case 3:
        return (uint64_t)((int64_t)r->a % (int64_t)r->b);
    case 4:
        return r->a * r->b;
    case 5:
        return bits_of(float_of(r->a) / float_of(r->b));
    case 6:
        return bits_of(expf(float_of(r->a)));
    case 7:
        return bits_of(roundf(float_of(r->a)));
    case 8:
        return (uint64_t)((int64_t)(int32_t)r->a * (int32_t)r->b);
    case 9:
        return (uint64_t)(uint32_t)r->a * (uint32_t)r->b;
    case 14:
        return bits_of(sqrtf(float_of(r->a)));
    case 15:
        return bits_of(tanhf(float_of(r->a)));
    case 16:
        return bits_of((float)(int64_t)r->a);
    case 17:
        return (uint64_t)(int64_t)float_of(r->a);
    default:
        return memory((uint32_t)r->operation - 10, (uint32_t)r->a & 0xFF, (uint32_t)r->a >> 8, (uint32_t)r->b);
    }
}

int main(void)
{
    for (;;) {
        int32_t bytes = qr_esp32sim_call(QR_SIM_READ, 0, (uint32_t)(uintptr_t)records, sizeof records);
        uint32_t count = (uint32_t)bytes / sizeof *records;

        if (bytes <= 0)
            qr_esp32sim_call(QR_SIM_EXIT, bytes < 0, 0, 0);
        for (uint32_t i = 0; i < count; i++)
            results[i] = result(&records[i]);
        qr_esp32sim_call(QR_SIM_WRITE, 1, (uint32_t)(uintptr_t)results, count * sizeof *results);
    }
}
