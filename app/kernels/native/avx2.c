/* The kernel for x86-64 with AVX2 and FMA. */
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#ifndef __AVX2__
#define __AVX2__ 1
#endif
#else
#pragma GCC target("avx2,fma")
#endif
#include "kernel.h"

int ctr_score_avx2(const struct model *model, const struct batch *batch, float *logits_C,
                   float *attention_CT) {
    return score(model, batch, logits_C, attention_CT);
}
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
