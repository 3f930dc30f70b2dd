package partitioner

// Placement is where one dialect puts a key.
type Placement struct {
	Dialect   Dialect
	Partition int32 // or Any
}

// Any stands for a partition that the client is free to choose.
const Any int32 = -1

// Explain answers where a key lands among n > 0 partitions under each dialect,
// in the order of their constants. A nil key is null.
//
//	for _, p := range partitioner.Explain([]byte("customer-17"), 12) {
//		fmt.Println(p.Dialect, p.Partition, p.Dialect.Clients())
//	}
func Explain(key []byte, n int) []Placement {
	placements := make([]Placement, 0, dialectCount)
	for d := range dialectCount {
		p, ok := d.ForKey(key, n)
		if !ok {
			p = Any
		}
		placements = append(placements, Placement{Dialect: d, Partition: p})
	}
	return placements
}
