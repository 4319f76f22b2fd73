/* The kernel for x86-64 with AVX-512. */
#if defined(__x86_64__)
#define AVX512
#define SCORE_HALF_TILE ctr_score_half_tile_avx512
#include "target.h"

BEGIN_TARGET(AVX512_INSTRUCTIONS)
#include "kernel.h"

int ctr_score_avx512(const struct model *model, const struct batch *batch, float *logits_C,
                     float *attention_CT) {
    return score(model, batch, logits_C, attention_CT);
}
END_TARGET
#endif
