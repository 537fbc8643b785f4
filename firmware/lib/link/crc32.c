/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"
#include "qr_link.h"

/* Remainders of the 16 nibbles for the reflected polynomial 0xEDB88320: 64 bytes of flash instead
 * of 1 KiB for whole bytes, at twice the steps. */
static const uint32_t nibble_remainder[16] QR_FLASH = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

/* see qr_link.h */
uint32_t qr_crc32(const uint8_t *data, uint16_t bytes)
{
    uint32_t crc = 0xffffffff;

    for (uint16_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        crc = QR_FLASH_U32(&nibble_remainder[crc & 15]) ^ (crc >> 4);
        crc = QR_FLASH_U32(&nibble_remainder[crc & 15]) ^ (crc >> 4);
    }
    return ~crc;
}
