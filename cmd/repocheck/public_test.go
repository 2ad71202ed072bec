package main

// script makes an example of one shell script.
func script(name, text string, want ...string) example {
	return example{name, tree{"deploy/x.sh": text}, want}
}

// The messages by their beginnings.
const (
	saysPublic  = "starts network public"
	saysDefault = "starts a node without a network"
)

var publicTextExamples = []example{
	script("another network", "flashcrowd up --network demo\n./bin/flashcrowd up --data d --network=demo &\n"),
	script("stand-in bootstrap", "flashcrowd up --network public --bootstrap /ip4/127.0.0.1/tcp/1/p2p/Q\nflashcrowd up --network=public \\\n  --bootstrap=none\n"),
	script("exported before", "export FLASHCROWD_NETWORK=ci\n\"$bin\" up --data d\n"),
	script("set for the command", "FLASHCROWD_NETWORK=$net flashcrowd up\n"),
	script("not a node", "ip link set \"$dev\" up\nflashcrowd testnet up --nodes 3\ndocker compose -p flashcrowd up -d\nflashcrowd up --help\n# flashcrowd up\n"),
	script("here-document", "cat >c.yaml <<E\nnetwork: public\nbootstrap:\n  - /ip4/127.0.0.1/tcp/1\nE\n"),
	{"not looked at", tree{"docs/guide.md": "flashcrowd up --network public\n", "README.md": "flashcrowd up\n"}, nil},
	{"setup block", tree{"README.md": "x\n<!-- setup -->\n```sh\nflashcrowd up\n```\nflashcrowd up --network public\n"}, nil},

	script("public", "flashcrowd up --network public\n", "deploy/x.sh:1: "+saysPublic),
	script("public, quoted and continued", "#!/bin/sh\nflashcrowd up \\\n  --data d \\\n  --network=\"public\"\n", "deploy/x.sh:2: "+saysPublic),
	script("public by environment", "export FLASHCROWD_NETWORK=public\nFLASHCROWD_NETWORK='public' flashcrowd up\n",
		"deploy/x.sh:1: "+saysPublic, "deploy/x.sh:2: "+saysPublic),
	script("public as the fallback of a variable", "flashcrowd up --network ${NET:-public}\n", "deploy/x.sh:1: "+saysPublic),
	script("public in a variable", "ARGS='--network public'\n", "deploy/x.sh:1: "+saysPublic),
	script("the default bootstrap list is no stand-in", "flashcrowd up --network public --bootstrap /dnsaddr/bootstrap.libp2p.io/p2p/Q\n", "deploy/x.sh:1: "+saysPublic),
	script("bootstrap of another command", "flashcrowd up --network public; x --bootstrap none\n", "deploy/x.sh:1: "+saysPublic),
	script("no network", "flashcrowd up &\ngo run ./cmd/flashcrowd up --data d\n", "deploy/x.sh:1: "+saysDefault, "deploy/x.sh:2: "+saysDefault),
	script("no network, program in a variable", "\"${FC}\" up --data d\n", "deploy/x.sh:1: "+saysDefault),
	script("network of another command", "flashcrowd up && flashcrowd up --network demo\ndocker run --network host flashcrowd up\n",
		"deploy/x.sh:1: "+saysDefault, "deploy/x.sh:2: "+saysDefault),
	script("not exported, or not any more", "FLASHCROWD_NETWORK=ci\nflashcrowd up\nexport FLASHCROWD_NETWORK=ci\nunset FLASHCROWD_NETWORK\nflashcrowd up\n",
		"deploy/x.sh:2: "+saysDefault, "deploy/x.sh:5: "+saysDefault),
	{"setup block, public", tree{"README.md": "x\n<!-- setup -->\n```\nflashcrowd up --network public\n```\n"}, []string{"README.md:4: " + saysPublic}},
	{"CI, makefile, shebang", tree{".ci/run": "flashcrowd up\n", "Makefile": "x:\n\tflashcrowd up\n", "deploy/start": "#!/bin/bash\nflashcrowd up\n"},
		[]string{".ci/run:1: " + saysDefault, "Makefile:2: " + saysDefault, "deploy/start:2: " + saysDefault}},

	{"testscript", tree{"cmd/x/testdata/a.txtar": "env FLASHCROWD_NETWORK=test\nexec flashcrowd up &\n-- c.yaml --\nnetwork: public\nbootstrap: [none]\n"}, nil},
	{"testscript, bad", tree{"cmd/x/testdata/a.txt": "env HOME=$WORK\nexec flashcrowd up &\n-- c.yaml --\nproxy: x\nnetwork: public\n"},
		[]string{"cmd/x/testdata/a.txt:2: " + saysDefault, "cmd/x/testdata/a.txt:5: " + saysPublic}},

	{"Dockerfile", tree{"deploy/Dockerfile": "FROM x\nENTRYPOINT [\"flashcrowd\"]\nCMD [\"up\", \"--network\", \"demo\"]\nFROM x\nENV FLASHCROWD_NETWORK demo\nCMD flashcrowd up\nFROM x\nENTRYPOINT [\"flashcrowd\", \"up\"]\nCMD [\"--network=demo\"]\n"}, nil},
	{"Dockerfile, bad", tree{"deploy/Dockerfile": "FROM x\nENV FLASHCROWD_NETWORK=demo\nFROM x\nENTRYPOINT [\"/bin/flashcrowd\"]\nCMD [\"up\"]\nFROM x\nCMD [\"up\"]\n", "deploy/Dockerfile.y": "ENV FLASHCROWD_NETWORK=public\n"},
		[]string{"deploy/Dockerfile:5: " + saysDefault, "deploy/Dockerfile:7: " + saysDefault, "deploy/Dockerfile.y:1: " + saysPublic}},
}

var publicYAMLExamples = []example{
	{"compose", tree{"deploy/compose.yml": `services:
  a:
    command: ["up", "--network", "demo"]
  b:
    environment:
      FLASHCROWD_NETWORK: demo
    command: up
  c:
    environment:
    - FLASHCROWD_NETWORK=public
    - FLASHCROWD_BOOTSTRAP=/dns4/a/tcp/1
    command:
    - up
    - --data=/d
`}, nil},
	{"compose, bad", tree{"deploy/compose.yml": `services:
  a:
    environment:
      FLASHCROWD_NETWORK: demo
  b:
    command: ["up", "--data", "/d"]
  c:
    environment:
    - FLASHCROWD_NETWORK=public
  d:
    command:
    - up
    - --data=/d
  e:
    environment: {FLASHCROWD_NETWORK: public}
`}, []string{
		"deploy/compose.yml:6: " + saysDefault, "deploy/compose.yml:9: " + saysPublic,
		"deploy/compose.yml:11: " + saysDefault, "deploy/compose.yml:15: " + saysPublic,
	}},
	{"workflow", tree{".github/workflows/a.yaml": `env:
  FLASHCROWD_NETWORK: ci
jobs:
  a:
    steps:
    - name: start
      run: |
        make
        flashcrowd up &
`}, nil},
	{"workflow, bad", tree{".github/workflows/a.yaml": `jobs:
  a:
    env: {A: b}
    steps:
    - name: start
      env:
        FLASHCROWD_NETWORK: ci
      run: flashcrowd up &
    - name: again
      run: |
        flashcrowd up &
    - run: flashcrowd up --network public
`}, []string{".github/workflows/a.yaml:11: " + saysDefault, ".github/workflows/a.yaml:12: " + saysPublic}},
	{"pod", tree{"deploy/pod.yaml": `containers:
- name: a
  args: [up]
  env:
  - name: FLASHCROWD_NETWORK
    value: demo
`}, nil},
	{"pod, bad", tree{"deploy/pod.yaml": `containers:
- name: a
  env:
  - name: FLASHCROWD_NETWORK
    value: public
- name: b
  args: [up]
`}, []string{"deploy/pod.yaml:4: " + saysPublic, "deploy/pod.yaml:7: " + saysDefault}},
	{"settings", tree{"deploy/a.yaml": "network: public\nbootstrap:\n- /ip4/10.0.0.1/tcp/1\n", "deploy/b.yaml": "network: demo\n"}, nil},
	{"settings, bad", tree{"deploy/a.yaml": "proxy: x\nnetwork: public\nbootstrap:\nlisten: y\n"}, []string{"deploy/a.yaml:2: " + saysPublic}},
}

// goTest makes an example of one Go test file outside package node.
func goTest(name, body string, want ...string) example {
	return example{name, tree{"testnet/a_test.go": "package testnet_test\nimport \"" + module + "/node\"\n" + body}, want}
}

var publicGoExamples = []example{
	goTest("settings", `
var a = node.Config{Network: "demo", Data: "d"}
var b = node.Config{Network: "public", Bootstrap: []string{"none"}}
var c = node.Config{Network: "public", Bootstrap: addrs}
func d() { cfg := node.Config{Data: "d"}; cfg.Network = "demo" }
var e = node.Config{}
`),
	goTest("commands", `
func a() { exec.Command(bin, "up", "--network", "demo"); exec.Command("ip", "link", "set", "lo", "up") }
func b() { run([]string{"up", "--network=public", "--bootstrap", addr}) }
func c(t *testing.T) { t.Setenv("FLASHCROWD_NETWORK", "demo"); exec.Command(bin, "up") }
func d(t *testing.T) { t.Run("up", nil); t.Fatal("--network public is refused"); exec.Command(bin, "testnet", "up", "--nodes", "3") }
var e = []string{"FLASHCROWD_NETWORK=public", "FLASHCROWD_BOOTSTRAP=none"}
`),
	{"TestMain", tree{
		"cmd/x/main_test.go": "package main\nfunc TestMain(m *testing.M) { os.Setenv(`FLASHCROWD_NETWORK`, `test`) }\n",
		"cmd/x/up_test.go":   "package main\nvar a = []string{`up`, `--data`, `d`}\n",
	}, nil},
	{"product code has the default", tree{"node/config.go": "package node\nvar d = Config{Network: `public`}\n"}, nil},

	goTest("settings, bad", `
var a = node.Config{Network: "public", Bootstrap: []string{}}
var b = &node.Config{Network: "public"}
var c = node.Config{Network: "public", Bootstrap: kad.DefaultBootstrapPeers}
var d = node.Config{Data: "d"}
func e() { cfg.Network = "public" }
`, "testnet/a_test.go:4: "+saysPublic, "testnet/a_test.go:5: "+saysPublic, "testnet/a_test.go:6: "+saysPublic,
		"testnet/a_test.go:7: "+saysDefault, "testnet/a_test.go:8: "+saysPublic),
	goTest("commands, bad", `
func a() { exec.Command(bin, "up", "--network", "public") }
var b = []string{"up", "--data", "d"}
func c() { exec.CommandContext(ctx, bin, "up") }
func d(t *testing.T) { t.Setenv("FLASHCROWD_NETWORK", "public") }
var e = []string{"FLASHCROWD_NETWORK=public"}
var f = map[string]string{"FLASHCROWD_NETWORK": "public"}
var g = strings.Fields("up --network public")
`, "testnet/a_test.go:4: "+saysPublic, "testnet/a_test.go:5: "+saysDefault, "testnet/a_test.go:6: "+saysDefault, "testnet/a_test.go:7: "+saysPublic,
		"testnet/a_test.go:8: "+saysPublic, "testnet/a_test.go:9: "+saysPublic, "testnet/a_test.go:10: "+saysPublic),
	goTest("scripts in literals", "var a = `\nexec flashcrowd up --network public\n`\nvar b = `\nproxy: x\nnetwork: public\nbootstrap: [none]\n`\nvar c = \"x\\nnetwork: public\"\n",
		"testnet/a_test.go:4: "+saysPublic, "testnet/a_test.go:11: "+saysPublic),
	{"testnet outside its tests", tree{"testnet/up.go": "package testnet\nvar a = Config{Network: `public`}\n"}, []string{"testnet/up.go:2: " + saysPublic}},
}
