/* A tile for x86-64 with AVX-512 whose vectors have half as many lanes, for the last few candidates
 * of a user: the same bits at half the work. */
#if defined(__x86_64__)
#define AVX512_HALF
#define SCORE_HALF_TILE ctr_score_half_tile_avx512
#include "target.h"

BEGIN_TARGET(AVX512_INSTRUCTIONS)
#include "tile.h"

void SCORE_HALF_TILE(const struct model *model, const struct batch *batch, int64_t steps,
                     float *user_states, struct tile tile, struct scoring memory,
                     float *logits_C, float *attention_CT) {
    score_tile(model, batch, steps, user_states, tile, memory, logits_C, attention_CT);
}
END_TARGET
#endif
