package cache
const crashEnv = "X"
func crashChild(string) {}
