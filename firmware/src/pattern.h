/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern.h - inputs for a window, where nobody looks at the outputs.
 */
#ifndef QR_PATTERN_H
#define QR_PATTERN_H

/* Fills every input with pseudo-random values, the same in each call: any value for 8 and 16 bits, 0 or 1
 * for int32 (which may index something), finite ones of 1/16 to 1 with either sign for float32. */
void qr_pattern_fill(void);

#endif
