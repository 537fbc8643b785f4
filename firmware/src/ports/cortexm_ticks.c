/* SPDX-License-Identifier: Apache-2.0
 *
 * From a timer's readings to ticks and instructions. Pure arithmetic, tested on the host.
 */
#include "cortexm.h"

/* see cortexm.h */
uint64_t qr_cortexm_unwrap(uint32_t fine, uint64_t estimate)
{
    int32_t correction = (int32_t)(fine - (uint32_t)estimate);

    /* an estimate below half a turn may be rounded to below zero: there was no wrap then */
    if (correction < 0 && estimate < (uint64_t)-(int64_t)correction)
        return fine;
    return estimate + (uint64_t)(int64_t)correction;
}

/* see cortexm.h */
uint64_t qr_cortexm_instructions(uint64_t ticks, uint32_t tick_ns, uint32_t shift)
{
    return (ticks * tick_ns + (1ull << shift) / 2) >> shift;
}
