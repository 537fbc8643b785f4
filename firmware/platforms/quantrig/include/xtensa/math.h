/* SPDX-License-Identifier: Apache-2.0
 *
 * What ports/esp32sim_float.c has of math.h: no C library exists for this ABI. All of it is float; a use
 * of double ends as a missing function at the linker.
 */
#ifndef QR_XTENSA_MATH_H
#define QR_XTENSA_MATH_H

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define fabsf(x) __builtin_fabsf(x)

float roundf(float x);
float expf(float x);
float sqrtf(float x);
float tanhf(float x);

#endif
