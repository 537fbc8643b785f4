/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_reduce.h */
void nn_arg_max_int8(const int8_t *input, int32_t *output, nn_dim outer, nn_dim count, nn_dim inner,
                     uint8_t words)
{
    for (nn_dim o = 0; o < outer; o++, input += (int32_t)count * inner) {
        for (nn_dim i = 0; i < inner; i++) {
            int8_t largest = input[i];
            nn_dim index = 0;
            const int8_t *x = input + i;
            for (nn_dim n = 0; n < count; n++, x += inner) {
                if (*x > largest) {
                    largest = *x;
                    index = n;
                }
            }
            output[0] = index;
            if (words == 2) {
                output[1] = 0;
            }
            output += words;
        }
    }
}
