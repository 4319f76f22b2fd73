/* All candidates of one user, tile by tile. */

static int64_t widest_layer(const struct layer *layers, int count, int64_t widest) {
    for (int i = 0; i < count; i++) widest = most(widest, layers[i].outputs);
    return widest;
}

static struct scoring take_scoring(struct workspace *workspace, const struct model *model,
                                   int64_t steps) {
    const int64_t lanes = MOST_VECTORS * LANES;
    int64_t widest = widest_layer(model->mlp, model->mlp_layers, 1);
    int64_t embedding = 1, hidden = 1, query = 1, half = 1;
    for (int i = 0; i < model->interests; i++) {
        const struct interest *interest = &model->interest[i];
        embedding = most(embedding, interest->embedding);
        hidden = most(hidden, interest->hidden);
        query = widest_layer(interest->query, interest->query_layers, query);
        if (interest->query_half) half = most(half, interest->query_half->outputs);
        widest = widest_layer(interest->pair, interest->pair_layers, widest);
    }
    return (struct scoring){
        .user_bias_O = take(workspace, padded(model->mlp[0].outputs)),
        .user_inputs_I = take(workspace, model->user_inputs),
        .mlp_inputs_IL = take(workspace, model->mlp[0].inputs * lanes),
        .item_EL = take(workspace, embedding * lanes),
        .queries = {take(workspace, query * lanes), take(workspace, query * lanes)},
        .query_half_AL = take(workspace, half * lanes),
        .pair_HL = take(workspace, hidden * lanes),
        .attention_TL = take(workspace, steps * lanes),
        .head_TL = take(workspace, steps * lanes),
        .gates_GL = take(workspace, 3 * hidden * lanes),
        .reset_HL = take(workspace, hidden * lanes),
        .buffers = {take(workspace, widest * lanes), take(workspace, widest * lanes)},
    };
}

/* The user's share of the first MLP layer: profile and sums of behaviors. */
static void prepare_user(const struct model *model, const struct batch *batch, int64_t user,
                         float *user_states, int64_t steps, struct scoring memory) {
    float *to = memory.user_inputs_I;
    for (int f = 0; f < model->user_fields; f++) {
        const struct table table = model->tables[model->behavior_fields + f];
        const int64_t row = batch->user_sparse_US[user * model->user_fields + f];
        read_row(table, row, to);
        to += table.width;
    }
    memcpy(to, batch->user_dense_UD + user * model->user_numbers,
           model->user_numbers * sizeof(float));
    to += model->user_numbers;
    struct workspace stored = {user_states, 0};
    for (int i = 0; i < model->interests; i++) {
        const struct interest *interest = &model->interest[i];
        struct user_states states = take_states(&stored, interest, steps);
        if (!interest->sum_pooling) continue;
        memcpy(to, states.behavior_sum_E, interest->embedding * sizeof(float));
        to += interest->embedding;
    }
    const int outputs = (int)padded(model->mlp[0].outputs);
    over_outputs(1, outputs, model->user_inputs, memory.user_inputs_I, 0, model->user_columns,
                 model->mlp[0].bias, memory.user_bias_O, 0);
}

/* As few tiles as can be, and none much narrower than the others: narrow ones leave registers
 * empty. The last few candidates have half a vector, where the instruction set has halves. */
static void score_user(const struct model *model, const struct batch *batch, int64_t user,
                       struct scoring memory, float *logits_C, float *attention_CT) {
    const int64_t steps = batch->lengths_U[user];
    int64_t first = batch->first_candidate_U[user], end = batch->first_candidate_U[user + 1];
    float *states = batch->states_U[user];
    if (first == end) return;
    prepare_user(model, batch, user, states, steps, memory);
#ifdef SCORE_HALF_TILE
    const int last_few = (int)((end - first) % LANES);
    if (last_few && last_few <= LANES / 2) {
        end -= last_few;
        SCORE_HALF_TILE(model, batch, steps, states, (struct tile){end, last_few, 1}, memory,
                        logits_C, attention_CT);
    }
#endif
    int64_t vectors = (end - first + LANES - 1) / LANES;
    for (int64_t tiles = (vectors + MOST_VECTORS - 1) / MOST_VECTORS; tiles > 0; tiles--) {
        const int64_t here = (vectors + tiles - 1) / tiles, left = end - first;
        struct tile tile = {first, (int)(left < here * LANES ? left : here * LANES), (int)here};
        score_tile(model, batch, steps, states, tile, memory, logits_C, attention_CT);
        first += tile.candidates;
        vectors -= here;
    }
}
