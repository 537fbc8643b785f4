/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* The number at `x`; bytes from 1 to 4. */
static float as_float(const uint8_t *x, const struct nn_integer_form *form)
{
    uint32_t value = form->is_signed && (x[form->bytes - 1] & 0x80) ? UINT32_MAX : 0;
    for (uint8_t b = form->bytes; b-- > 0;) {
        value = (value << 8) | x[b];
    }
    return (float)(int32_t)value;
}

/* see nn_convert.h */
void nn_cast_integer_float32(const uint8_t *input, float *output, nn_dim count,
                             NN_FLASH struct nn_integer_form *from)
{
    const struct nn_integer_form form = *from;
    while (count-- > 0) {
        output[count] = as_float(input + (int32_t)count * form.bytes, &form);
    }
}
