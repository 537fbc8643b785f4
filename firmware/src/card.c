/* SPDX-License-Identifier: Apache-2.0 */
#include "card.h"

#include "config.h"
#include "model.h"
#include "port.h"
#include "qr_protocol.h"

#define ENGINE_AOT 1

/* The compiler must not see the digest as a constant: it is written after linking. */
#ifdef __AVR__
#define IDENTITY_SECTION ".progmem.qr_identity"
#define IDENTITY_U8(p) pgm_read_byte(p)
#else
#ifdef QR_PORT_ARDUINO /* whose linker script is a core's: it knows the usual sections only */
#define IDENTITY_SECTION ".rodata.qr_identity"
#else
#define IDENTITY_SECTION ".qr_identity"
#endif
#define IDENTITY_U8(p) (*(const volatile uint8_t *)(p))
#endif

const struct qr_identity qr_identity __attribute__((used, section(IDENTITY_SECTION))) = {
    {'q', 'u', 'a', 'n', 't', 'r', 'i', 'g', '-', 'i', 'd', 'e', 'n', 't', '-', '1'},
    {0},
};

static const char board_name[] QR_FLASH = QR_BOARD;
_Static_assert(sizeof board_name <= 64, "QR_BOARD is a short name");

#define NUMBERS 14
#define NAME (sizeof board_name - 1)
#define BEFORE_SETTINGS (NUMBERS + 32 + 32 + 1 + NAME + QR_MODEL_INFO_BYTES)

static uint8_t settings_bytes(void)
{
    uint8_t bytes = 0;

    while (bytes < UINT8_MAX && qr_port_setting(bytes) != 0)
        bytes++;
    return bytes;
}

/* see card.h */
uint16_t qr_card_bytes(void)
{
    return BEFORE_SETTINGS + 1 + settings_bytes();
}

static uint8_t card_byte(const uint8_t *numbers, uint16_t at)
{
    if (at < NUMBERS)
        return numbers[at];
    at -= NUMBERS;
    if (at < 32)
        return IDENTITY_U8(&qr_identity.digest[at]);
    at -= 32;
    if (at < 32)
        return QR_FLASH_U8(&qr_model_sha256[at]);
    at -= 32;
    if (at == 0)
        return NAME;
    at -= 1;
    if (at < NAME)
        return QR_FLASH_U8((const uint8_t *)&board_name[at]);
    at -= NAME;
    if (at < QR_MODEL_INFO_BYTES)
        return QR_FLASH_U8(&qr_model_info[at]);
    at -= QR_MODEL_INFO_BYTES;
    return at == 0 ? settings_bytes() : qr_port_setting((uint8_t)(at - 1));
}

/* see card.h */
void qr_card_copy(uint8_t *to, uint16_t offset, uint16_t bytes)
{
    uint8_t numbers[NUMBERS];

    numbers[0] = ENGINE_AOT;
    numbers[1] = qr_port_counter();
    qr_put_u32(numbers + 2, qr_port_counter_hz());
    qr_put_u32(numbers + 6, qr_port_cpu_hz());
    qr_put_u32(numbers + 10, QR_ARENA_BYTES);
    for (uint16_t i = 0; i < bytes; i++)
        to[i] = card_byte(numbers, offset + i);
}
