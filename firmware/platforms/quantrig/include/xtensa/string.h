/* SPDX-License-Identifier: Apache-2.0
 *
 * What ports/esp32sim_memory.c has of string.h: no C library exists for this ABI.
 */
#ifndef QR_XTENSA_STRING_H
#define QR_XTENSA_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

#endif
