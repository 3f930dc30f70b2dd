package schemaregistry

func (s *Settings) fromProperties(settings map[string]string) error { return nil }
