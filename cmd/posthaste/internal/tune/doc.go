// Package tune searches producer settings for a goal by measuring them.
//
//	screen   a few settings spread over the space, halved by what they measure
//	climb    the neighbours of the best, first two steps away and then one
//	final    the few best, again and again until the time is over
//
// Measurements are noisy, and a machine's speed drifts. So the settings under
// test are measured in rounds, each once a round and each round in another
// order; a setting's figures are estimated from all its measurements with the
// drift of the rounds taken out (see Estimates); and no setting is recommended
// that has not been measured as often as its rivals in the final.
//
// The search knows nothing of producers: a Measurer does the work.
package tune
