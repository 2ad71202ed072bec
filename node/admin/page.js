setInterval(() => { if (document.activeElement.tagName !== "INPUT") location.reload() }, 5000)
